/* bench_port.c - the same as bench_native.c behind a port with {packet, 4}: the least that a port program can do. */
#include <endian.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

static void get(uint8_t *to, size_t n)
{
    while (n > 0) {
        ssize_t got = read(STDIN_FILENO, to, n);
        if (got <= 0) {
            exit(0); /* the port was closed */
        }
        to += got;
        n -= (size_t) got;
    }
}

static void put(const void *data, size_t n)
{
    uint32_t length = htobe32((uint32_t) n);
    struct iovec part[2] = { { &length, sizeof(length) }, { (void *) data, n } };
    for (struct iovec *at = part; at < part + 2;) {
        ssize_t done = writev(STDOUT_FILENO, at, (int) (part + 2 - at));
        if (done < 0) {
            exit(1);
        }
        for (; at < part + 2 && (size_t) done >= at->iov_len; at++) {
            done -= (ssize_t) at->iov_len;
        }
        if (at < part + 2) {
            at->iov_base = (uint8_t *) at->iov_base + done;
            at->iov_len -= (size_t) done;
        }
    }
}

static uint64_t number(const uint8_t *at)
{
    uint64_t n;
    memcpy(&n, at, sizeof(n));
    return be64toh(n);
}

static void put_number(uint64_t n)
{
    n = htobe64(n);
    put(&n, sizeof(n));
}

int main(void)
{
    enum { ROOM = 2 << 20 };
    uint8_t *in = malloc(ROOM), *out = malloc(ROOM);
    for (;;) {
        uint32_t n;
        get((uint8_t *) &n, sizeof(n));
        n = be32toh(n);
        if (in == NULL || out == NULL || n == 0 || n > ROOM) {
            return 1;
        }
        get(in, n);
        switch (in[0]) {
        case 'a':
            put_number(number(in + 1) + number(in + 9));
            break;
        case 't':
            put_number(n - 1);
            break;
        case 'g':
            memset(out, 'g', number(in + 1));
            put(out, number(in + 1));
            break;
        case 'c':
            memcpy(out, in + 1, n - 1);
            put(out, n - 1);
            break;
        default:
            return 1;
        }
    }
}
