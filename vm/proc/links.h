/* links.h - what ties a process to others: sets keyed by a number. Own thread only. */
#ifndef VM_LINKS_H
#define VM_LINKS_H

#include "vm/proc/signal.h"

enum link_mode {
    LINK_PLAIN,          /* link; monitor without alias */
    LINK_ALIAS_EXPLICIT, /* alias/0,1 and monitor/3: until unalias */
    LINK_ALIAS_DEMONITOR,
    LINK_ALIAS_REPLY,
};

struct link_node {
    struct link_node *next;
    uint64_t key;        /* links: word of the pid; else id of the reference */
    term target;         /* monitors: pid, TERM_NONE: alias only; watchers: who watches */
    term name;           /* monitored by this name (atom), or TERM_NONE */
    term node;           /* with name: its node, for {Name, Node} */
    term tag;            /* monitors: instead of 'DOWN'; in tag_message; or TERM_NONE */
    uint64_t unlinking;  /* links: id of the unlink that was not yet acknowledged; 0: active */
    struct message *tag_message; /* owned: holds tag when that is no immediate */
    uint8_t mode;        /* enum link_mode */
    bool of_port;        /* monitors: 'DOWN' says port */
};

/* A chain up to 8 nodes, then buckets. */
struct link_set {
    struct link_node **buckets; /* owned; NULL while in chain */
    struct link_node *chain;
    uint32_t n, mask;
};

struct proc_links {
    struct link_set links;    /* by pid */
    struct link_set monitors; /* by id: ours, and aliases */
    struct link_set watchers; /* by id: those of others on us */
    struct link_set timers;   /* by id: timers of ours that will send to ourselves */
    struct link_set suspended; /* by pid: whom we have suspended; unlinking: how often */
};

struct proc_links *proc_links(struct proc *p); /* made on first use */
struct link_node *link_find(const struct link_set *set, uint64_t key);
/* A zeroed node in the set. pre: not there */
struct link_node *link_add(struct link_set *set, uint64_t key);
/* Takes it out; the caller frees it with link_free_node. NULL if absent. */
struct link_node *link_remove(struct link_set *set, uint64_t key);
void link_store_tag(struct link_node *n, term tag); /* of a monitor; TERM_NONE: 'DOWN' */
void link_free_node(struct link_node *n);
/* Takes any node out, NULL when empty: for the end. */
struct link_node *link_pop(struct link_set *set);
void link_set_free(struct link_set *set); /* pre: empty */

struct link_iter {
    const struct link_set *set;
    uint32_t bucket;
    struct link_node *at;
};
void link_iter_init(struct link_iter *it, const struct link_set *set);
struct link_node *link_iter_next(struct link_iter *it);

/* The end of p: tells links and watchers, lets go of those p watched. reason: the exit reason. */
void links_break(struct proc *p, term reason);
/* A signal arrived for a process that is gone: answers noproc where an answer is due. Frees s. */
void signal_to_dead(term dead_pid, struct message *m);
/* Handlers of signal_fetch, by kind. true: the process must exit, p->exc is set. All free m. */
bool signal_handle_exit(struct proc *p, struct signal *s);
void signal_handle_link(struct proc *p, struct signal *s);
void signal_handle_monitor(struct proc *p, struct signal *s);
void signal_handle_down(struct proc *p, struct signal *s);
/* Is a message to this alias taken? Deactivates a reply alias. */
bool alias_accepts(struct proc *p, uint64_t id);

/* A signal with room for words; value, from, id as given. */
struct signal *signal_new(enum signal_kind kind, term from, uint64_t id, term value, size_t spare_words);
/* One that is sent later: as message_copy_lasting(). */
struct signal *signal_new_lasting(enum signal_kind kind, uint64_t id, term value);

#endif
