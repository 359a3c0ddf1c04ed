/* bench_cnode.c - the same as bench_native.c as a C node: bench_cnode NODE COOKIE connects to NODE, says {ready, Pid}
 * to bench_native there, and answers {From, What, Arg} with {reply, Result}. */
#include <stdlib.h>
#include <string.h>

#include <ei.h>

static void give_binary(ei_x_buff *x, long n)
{
    char *bytes = malloc((size_t) n);
    memset(bytes, 'g', (size_t) n);
    ei_x_encode_binary(x, bytes, (int) n);
    free(bytes);
}

static void copy_binary(ei_x_buff *x, const char *in, int *at, int n)
{
    char *bytes = malloc((size_t) n);
    long got;
    ei_decode_binary(in, at, bytes, &got);
    ei_x_encode_binary(x, bytes, n);
    free(bytes);
}

static void turn_list(ei_x_buff *x, const char *in, int *at)
{
    int n;
    ei_decode_list_header(in, at, &n);
    long *numbers = malloc((size_t) n * sizeof(*numbers));
    for (int i = 0; i < n; i++) {
        ei_decode_long(in, at, &numbers[i]);
    }
    ei_x_encode_list_header(x, n);
    for (int i = n; i-- > 0;) {
        ei_x_encode_long(x, numbers[i]);
    }
    ei_x_encode_empty_list(x);
    free(numbers);
}

/* Encodes the reply. Returns 0 if the request is as it should be. */
static int serve(const char *in, ei_x_buff *x, erlang_pid *from)
{
    int at = 0, version, arity, type, size;
    long a, b;
    char what[MAXATOMLEN];
    x->index = 0;
    if (ei_decode_version(in, &at, &version) || ei_decode_tuple_header(in, &at, &arity)
        || arity != 3 || ei_decode_pid(in, &at, from) || ei_decode_atom(in, &at, what)
        || ei_get_type(in, &at, &type, &size)) {
        return -1;
    }
    ei_x_encode_version(x);
    ei_x_encode_tuple_header(x, 2);
    ei_x_encode_atom(x, "reply");
    if (strcmp(what, "add") == 0) {
        ei_decode_tuple_header(in, &at, &arity);
        ei_decode_long(in, &at, &a);
        ei_decode_long(in, &at, &b);
        ei_x_encode_long(x, a + b);
    } else if (strcmp(what, "take") == 0) {
        ei_x_encode_long(x, size);
    } else if (strcmp(what, "give") == 0) {
        ei_decode_long(in, &at, &a);
        give_binary(x, a);
    } else if (strcmp(what, "copy") == 0) {
        copy_binary(x, in, &at, size);
    } else if (strcmp(what, "turn") == 0) {
        turn_list(x, in, &at);
    } else {
        return -1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    ei_cnode node;
    ei_x_buff in, out;
    erlang_pid from;
    erlang_msg msg;
    struct in_addr local = { htonl(INADDR_LOOPBACK) };
    if (argc != 3 || ei_init() != 0
        || ei_connect_xinit(&node, "127.0.0.1", "bench_c", "bench_c@127.0.0.1", &local, argv[2], 0)
               < 0) {
        return 1;
    }
    int fd = ei_connect(&node, argv[1]);
    if (fd < 0) {
        return 1;
    }
    ei_x_new(&in);
    ei_x_new_with_version(&out);
    ei_x_encode_tuple_header(&out, 2);
    ei_x_encode_atom(&out, "ready");
    ei_x_encode_pid(&out, ei_self(&node));
    if (ei_reg_send(&node, fd, "bench_native", out.buff, out.index) != 0) {
        return 1;
    }
    for (;;) {
        in.index = 0;
        switch (ei_xreceive_msg(fd, &msg, &in)) {
        case ERL_TICK:
            break;
        case ERL_MSG:
            if (msg.msgtype != ERL_REG_SEND && msg.msgtype != ERL_SEND) {
                break;
            }
            if (serve(in.buff, &out, &from) != 0 || ei_send(fd, &from, out.buff, out.index) != 0) {
                return 1;
            }
            break;
        default:
            return 0;
        }
    }
}
