/* module.h - modules: current and old code, loading by name, purging. */
#ifndef VM_MODULE_H
#define VM_MODULE_H

#include "vm/code/code.h"

struct module {
    term name;
    struct code_image *_Atomic current, *_Atomic old;
    struct code_image *_Atomic starting; /* its -on_load function has yet to say yes */
};

/* Lock-free. NULL if never loaded. */
struct module *module_find(term name);
/* Calls fn for each module with current code. */
void module_each(void (*fn)(struct module *m, void *arg), void *arg);

/* Decodes, validates, emits. NULL and a line in error. The image is not yet visible. */
struct code_image *module_prepare(const uint8_t *bytes, size_t n, char error[256]) MUST_CHECK;
/* Keeps an image that has an -on_load function until module_finish_start(). false: there is one. */
bool module_start(struct code_image *image) MUST_CHECK;
/* Publishes what module_start() kept, or, with keep false, drops it. false: none, or as module_publish. */
bool module_finish_start(term name, bool keep);
/* Makes it the current code; former current code becomes old. false if there is old code already
 * (caller raises not_purged). Functions of natively implemented modules (bifs.def) keep the BIF. */
bool module_publish(struct code_image *image) MUST_CHECK;
/* Makes the current code old; exports go back to their stubs. */
bool module_delete(term name);
/* Keeps funs from entering old code, or lets them again. */
void module_block_old(term name, bool block);
/* Frees old code. The caller has made sure that no process runs it. */
bool module_purge_old(term name);

/* Code path: -pa, -pz, then ROOT/lib/<app>/ebin of the OTP installation. */
void code_path_init(void);
/* Moves dir to the front (of -pa) or to the very end. Any thread. */
void code_path_add(const char *dir, bool first);
bool code_path_remove(const char *dir);
/* Full path of MODULE.beam, or NULL. vm_free it. */
char *code_path_find(term module);
/* Calls fn for each directory, in order. Under a lock: fn must not call the functions above. */
void code_path_each(void (*fn)(const char *dir, void *arg), void *arg);
const char *code_otp_root(void); /* "/usr/lib/erlang" or NULL */
/* A file's contents, vm_free it; NULL if it cannot be read. */
uint8_t *code_read_file(const char *path, size_t *n);

enum module_load {
    MODULE_LOADED,
    MODULE_NOT_FOUND,
    MODULE_BAD,           /* see error */
    MODULE_NEEDS_ON_LOAD, /* found and good, but its -on_load function must run in a process first:
                           * call code:ensure_loaded/1 */
    MODULE_STARTING,      /* module_ensure_started only: that function runs */
};
/* Finds, loads and publishes a module unless it is there. Serialises loads. */
enum module_load module_ensure_loaded(term name, char error[256]);
/* The same from a process: MODULE_NEEDS_ON_LOAD means that the image waits as by module_start(), and
 * that it is the caller who has to run the function. */
enum module_load module_ensure_started(term name, char error[256]);

#endif
