#include "vm/bif/file_handle.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "lib/base/arena.h"
#include "vm/core/bits.h"
#include "vm/proc/signal.h"

term handle_make_ref(struct proc *p, struct resource *r)
{
    uintptr_t *at = heap_alloc(&p->heap, HEAP_RESOURCE_WORDS);
    at[0] = TERM_HEADER(TAG_RESOURCE, HEAP_RESOURCE_WORDS - 1);
    at[2] = (uintptr_t) r;
    at[3] = ref_next_id();
    heap_link_offheap(&p->heap, at, 0);
    return term_from_boxed_ptr(at);
}

struct resource *handle_from_ref(term t, void (*destroy)(struct resource *))
{
    if (!term_has_tag(t, TAG_RESOURCE)) {
        return NULL;
    }
    struct resource *r = (struct resource *) term_words(t)[2];
    return r != NULL && r->destroy == destroy ? r : NULL;
}

term posix_error(struct proc *p, int error)
{
    char name[32] = "unknown";
    const char *symbol = strerrorname_np(error);
    if (symbol != NULL) {
        size_t n = 0;
        for (; symbol[n] != '\0' && n < sizeof(name) - 1; n++) {
            name[n] = (char) tolower((unsigned char) symbol[n]);
        }
        name[n] = '\0';
    }
    return heap_tuple2(&p->heap, ATOM(error), atom_from_cstr(name));
}

term posix_result(struct proc *p, int rc)
{
    return rc == 0 ? ATOM(ok) : posix_error(p, errno);
}

bool take_file_name(term t, char out[FILE_NAME_MAX_BYTES])
{
    if (!term_is_binary(t)) {
        return false;
    }
    size_t n;
    uint8_t *scratch;
    const uint8_t *bytes = bits_bytes(t, &n, &scratch);
    if (n > 0 && bytes[n - 1] == 0) {
        n--;
    }
    bool ok = n < FILE_NAME_MAX_BYTES && memchr(bytes, 0, n) == NULL;
    if (ok) {
        memcpy(out, bytes, n);
        out[n] = '\0';
    }
    vm_free(scratch);
    return ok;
}
