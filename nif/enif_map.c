#include "nif/enif.h"
#include "vm/core/map.h"

ERL_NIF_TERM enif_make_new_map(ErlNifEnv *env)
{
    return map_empty(env->heap).word;
}

int enif_get_map_size(ErlNifEnv *env, ERL_NIF_TERM word, size_t *size)
{
    (void) env;
    if (!term_is_map(term_of(word))) {
        return 0;
    }
    *size = map_size(term_of(word));
    return 1;
}

int enif_get_map_value(ErlNifEnv *env, ERL_NIF_TERM map, ERL_NIF_TERM key, ERL_NIF_TERM *value)
{
    (void) env;
    if (!term_is_map(term_of(map))) {
        return 0;
    }
    term found = map_get(term_of(map), nif_term_in(env, key, "enif_get_map_value"));
    if (term_is_none(found)) {
        return 0;
    }
    *value = found.word;
    return 1;
}

int enif_make_map_put(ErlNifEnv *env, ERL_NIF_TERM map_in, ERL_NIF_TERM key, ERL_NIF_TERM value,
    ERL_NIF_TERM *map_out)
{
    if (!term_is_map(term_of(map_in))) {
        return 0;
    }
    term k = nif_term_in(env, key, "enif_make_map_put");
    term v = nif_term_in(env, value, "enif_make_map_put");
    *map_out = map_put(env->heap, term_of(map_in), k, v).word;
    return 1;
}

int enif_make_map_update(ErlNifEnv *env, ERL_NIF_TERM map_in, ERL_NIF_TERM key, ERL_NIF_TERM value,
    ERL_NIF_TERM *map_out)
{
    ERL_NIF_TERM old;
    return enif_get_map_value(env, map_in, key, &old)
           && enif_make_map_put(env, map_in, key, value, map_out);
}

int enif_make_map_remove(
    ErlNifEnv *env, ERL_NIF_TERM map_in, ERL_NIF_TERM key, ERL_NIF_TERM *map_out)
{
    if (!term_is_map(term_of(map_in))) {
        return 0;
    }
    *map_out =
        map_remove(env->heap, term_of(map_in), nif_term_in(env, key, "enif_make_map_remove"), NULL)
            .word;
    return 1;
}

int enif_make_map_from_arrays(
    ErlNifEnv *env, ERL_NIF_TERM keys[], ERL_NIF_TERM values[], size_t cnt, ERL_NIF_TERM *map_out)
{
    term local[64];
    term *kv = local;
    if (cnt > SIZE_MAX / (8 * sizeof(*kv))) {
        return 0;
    }
    if (2 * cnt > ARRAY_LEN(local)) {
        kv = nif_tmp_alloc(env, 2 * cnt * sizeof(*kv));
        if (kv == NULL) {
            return 0;
        }
    }
    for (size_t i = 0; i < cnt; i++) {
        kv[2 * i] = nif_term_in(env, keys[i], "enif_make_map_from_arrays");
        kv[2 * i + 1] = nif_term_in(env, values[i], "enif_make_map_from_arrays");
    }
    term map = map_from_pairs(env->heap, kv, cnt);
    if (kv != local) {
        nif_tmp_free(env, kv);
    }
    if (map_size(map) != cnt) {
        return 0; /* a key came twice */
    }
    *map_out = map.word;
    return 1;
}

/* ---- iterators ----
 *
 * Positions 1..size are pairs, 0 is before the first, size + 1 behind the last. A flat map is
 * indexed; a larger one keeps a struct map_iter in the environment's memory. */

struct hash_iter {
    struct map_iter it;
    size_t position; /* of key and value */
    bool backward;   /* direction of the last step */
    term key, value;
};

/* The other direction: a level's number says which child comes next, so above the leaf's own node
 * it moves by one. The pair just given comes again and is dropped. */
static void turn(struct hash_iter *h)
{
    for (size_t d = 0; d + 1 < h->it.depth; d++) {
        h->it.path[d].at += h->backward ? 1 : (uint32_t) -1;
    }
    h->backward = !h->backward;
    (void) (h->backward ? map_iter_prev : map_iter_next)(&h->it, &h->key, &h->value);
}

static void hash_go_to(struct hash_iter *h, size_t position)
{
    while (h->position != position) {
        bool backward = position < h->position;
        if (backward != h->backward) {
            turn(h);
        }
        if (!(backward ? map_iter_prev : map_iter_next)(&h->it, &h->key, &h->value)) {
            return;
        }
        h->position += backward ? (size_t) -1 : 1;
    }
}

static struct hash_iter *hash_iter_of(ErlNifMapIterator *iter)
{
    return (struct hash_iter *) iter->u.hash.wstack;
}

static bool is_flat(ErlNifMapIterator *iter)
{
    return term_has_tag(term_of(iter->map), TAG_FLATMAP);
}

int enif_map_iterator_create(
    ErlNifEnv *env, ERL_NIF_TERM map, ErlNifMapIterator *iter, ErlNifMapIteratorEntry entry)
{
    term t = term_of(map);
    if (!term_is_map(t)
        || (entry != ERL_NIF_MAP_ITERATOR_FIRST && entry != ERL_NIF_MAP_ITERATOR_LAST)) {
        if (iter != NULL) {
            iter->map = TERM_NONE.word;
        }
        return 0;
    }
    iter->map = map;
    iter->size = map_size(t);
    iter->idx = entry == ERL_NIF_MAP_ITERATOR_FIRST ? 1 : iter->size;
    if (is_flat(iter)) {
        iter->u.flat.ks = &term_words(map_flat_keys(t))[1];
        iter->u.flat.vs = (ERL_NIF_TERM *) map_flat_values(t);
        return 1;
    }
    struct hash_iter *h = nif_tmp_alloc(env, sizeof(*h));
    if (h == NULL) {
        return 0;
    }
    if (entry == ERL_NIF_MAP_ITERATOR_FIRST) {
        map_iter_init(&h->it, t);
        h->position = 0;
    } else {
        map_iter_init_last(&h->it, t);
        h->position = iter->size + 1;
    }
    h->backward = entry == ERL_NIF_MAP_ITERATOR_LAST;
    hash_go_to(h, iter->idx);
    iter->u.hash.wstack = (struct ErtsDynamicWStack_ *) h;
    iter->u.hash.kv = NULL;
    return 1;
}

void enif_map_iterator_destroy(ErlNifEnv *env, ErlNifMapIterator *iter)
{
    if (iter->map != TERM_NONE.word && !is_flat(iter)) {
        nif_tmp_free(env, hash_iter_of(iter));
    }
    iter->map = TERM_NONE.word;
}

int enif_map_iterator_is_head(ErlNifEnv *env, ErlNifMapIterator *iter)
{
    (void) env;
    return iter->idx == 0;
}

int enif_map_iterator_is_tail(ErlNifEnv *env, ErlNifMapIterator *iter)
{
    (void) env;
    return iter->idx > iter->size;
}

int enif_map_iterator_next(ErlNifEnv *env, ErlNifMapIterator *iter)
{
    (void) env;
    if (iter->idx <= iter->size) {
        iter->idx++;
    }
    if (iter->idx > iter->size) {
        return 0;
    }
    if (!is_flat(iter)) {
        hash_go_to(hash_iter_of(iter), iter->idx);
    }
    return 1;
}

int enif_map_iterator_prev(ErlNifEnv *env, ErlNifMapIterator *iter)
{
    (void) env;
    if (iter->idx > 0) {
        iter->idx--;
    }
    if (iter->idx == 0) {
        return 0;
    }
    if (!is_flat(iter)) {
        hash_go_to(hash_iter_of(iter), iter->idx);
    }
    return 1;
}

int enif_map_iterator_get_pair(
    ErlNifEnv *env, ErlNifMapIterator *iter, ERL_NIF_TERM *key, ERL_NIF_TERM *value)
{
    (void) env;
    if (iter->idx == 0 || iter->idx > iter->size) {
        return 0;
    }
    if (is_flat(iter)) {
        *key = iter->u.flat.ks[iter->idx - 1];
        *value = iter->u.flat.vs[iter->idx - 1];
    } else {
        *key = hash_iter_of(iter)->key.word;
        *value = hash_iter_of(iter)->value.word;
    }
    return 1;
}
