/* call_open.c - a library is opened in a worker: a call as others are; that it could be is kept for new workers. */
#include <string.h>
#include <xxhash.h>

#include "isolation/remote/remote_internal.h"

static enum channel_status send_open(struct remote_lane *lane, struct native_call_elsewhere *call)
{
    struct frame_header h = { .kind = FRAME_OPEN, .number = lane->number, .extra = call->library_id };
    bool too_large;
    return term_send(&lane->out, lane->channel, &h, NULL, 0, call->request, &too_large);
}

/* What new workers are to open: the same request, kept as bytes. */
static void keep_library(struct native_call_elsewhere *call, term answer)
{
    struct remote_pool *pool = pool_of(call->library);
    struct etf_encode_ext x = { .blob_min = SIZE_MAX };
    uint8_t *etf = NULL, *again = NULL;
    size_t capacity = 0, other_capacity = 0;
    size_t n = etf_encode_ext(call->request, &x, &etf, &capacity);
    size_t n_answer = etf_encode_ext(answer, &x, &again, &other_capacity);
    struct wire_term head = { (uint32_t) n };
    struct pool_library l = { .id = call->library_id, .request = vm_alloc(sizeof(head) + n), .request_bytes = sizeof(head) + n };
    memcpy(l.request, &head, sizeof(head));
    memcpy(l.request + sizeof(head), etf, n);
    l.answer_hash = XXH3_64bits(again, n_answer);
    vm_free(etf);
    vm_free(again);
    lock_take(&pool->lock);
    struct pool_library *at = &pool->libraries[0];
    for (unsigned i = 0; i < POOL_MAX_LIBRARIES; i++) { /* a free place, else the oldest's */
        at = pool->libraries[i].id < at->id ? &pool->libraries[i] : at;
    }
    uint8_t *old = at->request;
    *at = l;
    lock_drop(&pool->lock);
    vm_free(old);
    pool_library_opened(pool, l.id);
}

static uint32_t new_library_id(struct native_library *library)
{
    struct remote_pool *pool = pool_of(library);
    lock_take(&pool->lock);
    uint32_t id = ++pool->next_library;
    pool->closing = false;
    pool->library = library;
    lock_drop(&pool->lock);
    return id;
}

void remote_open(struct native_call_elsewhere *call, struct native_outcome *out)
{
    call->send = send_open;
    call->plain_result = true;
    call->library_id = *call->progress != NULL ? container_of(*call->progress, struct remote_progress, base)->library_id
                                               : new_library_id(call->library);
    call_advance(call, out);
    if (out->status == NATIVE_RETURNED) {
        term answer = { out->value };
        if (term_is_tuple_of(answer, 2) && term_same(term_tuple_get(answer, 0), ATOM(ok))) {
            keep_library(call, answer);
        }
    }
}
