#include "vm/proc/links.h"

#include "lib/base/arena.h"

enum { CHAIN_MAX = 8, FIRST_BUCKETS = 32 };

struct proc_links *proc_links(struct proc *p)
{
    if (p->links == NULL) {
        p->links = vm_zalloc(sizeof(*p->links));
    }
    return p->links;
}

static uint32_t bucket_of(const struct link_set *set, uint64_t key)
{
    return (uint32_t) ((key * UINT64_C(0x9E3779B97F4A7C15)) >> 32) & set->mask;
}

static struct link_node **head_of(struct link_set *set, uint64_t key)
{
    return set->buckets == NULL ? &set->chain : &set->buckets[bucket_of(set, key)];
}

struct link_node *link_find(const struct link_set *set, uint64_t key)
{
    struct link_node *n = set->buckets == NULL ? set->chain : set->buckets[bucket_of(set, key)];
    while (n != NULL && n->key != key) {
        n = n->next;
    }
    return n;
}

static void rehash(struct link_set *set, uint32_t n_buckets)
{
    struct link_set old = *set;
    set->buckets = vm_zalloc(n_buckets * sizeof(struct link_node *));
    set->mask = n_buckets - 1;
    set->chain = NULL;
    set->n = 0;
    struct link_node *n;
    while ((n = link_pop(&old)) != NULL) {
        struct link_node **at = head_of(set, n->key);
        n->next = *at;
        *at = n;
        set->n++;
    }
    vm_free(old.buckets);
}

struct link_node *link_add(struct link_set *set, uint64_t key)
{
    if (set->buckets == NULL ? set->n >= CHAIN_MAX : set->n > 2 * (size_t) set->mask) {
        rehash(set, set->buckets == NULL ? FIRST_BUCKETS : 4 * (set->mask + 1));
    }
    struct link_node *n = vm_zalloc(sizeof(*n));
    n->key = key;
    struct link_node **at = head_of(set, key);
    n->next = *at;
    *at = n;
    set->n++;
    return n;
}

struct link_node *link_remove(struct link_set *set, uint64_t key)
{
    struct link_node **at = head_of(set, key);
    while (*at != NULL && (*at)->key != key) {
        at = &(*at)->next;
    }
    struct link_node *n = *at;
    if (n != NULL) {
        *at = n->next;
        set->n--;
    }
    return n;
}

void link_free_node(struct link_node *n)
{
    if (n != NULL && n->tag_message != NULL) {
        message_free(n->tag_message);
    }
    vm_free(n);
}

struct link_node *link_pop(struct link_set *set)
{
    if (set->n == 0) {
        return NULL;
    }
    struct link_node **at = &set->chain;
    if (set->buckets != NULL) {
        /* mask shrinks past empty buckets, so emptying a set is linear; nobody adds in between. */
        while (set->buckets[set->mask] == NULL) {
            set->mask--;
        }
        at = &set->buckets[set->mask];
    }
    struct link_node *n = *at;
    *at = n->next;
    set->n--;
    return n;
}

void link_set_free(struct link_set *set)
{
    VM_ASSERT(set->n == 0);
    vm_free(set->buckets);
    *set = (struct link_set) { 0 };
}

void link_iter_init(struct link_iter *it, const struct link_set *set)
{
    *it = (struct link_iter) { .set = set, .at = set->chain };
}

struct link_node *link_iter_next(struct link_iter *it)
{
    while (it->at == NULL && it->set->buckets != NULL && it->bucket <= it->set->mask) {
        it->at = it->set->buckets[it->bucket++];
    }
    struct link_node *n = it->at;
    if (n != NULL) {
        it->at = n->next;
    }
    return n;
}
