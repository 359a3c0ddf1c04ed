#include "vm/code/module.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/lock.h"
#include "vm/code/gen.h"
#include "vm/core/atom.h"

/* Modules by the index of their name's atom, in pages made as needed and never freed. */
enum { PAGE_BITS = 10, PAGE = 1 << PAGE_BITS, PAGES = 1 << 11 /* atom limit: 2^20, and reserve */ };
typedef struct module *_Atomic module_slot;
static module_slot *_Atomic pages[PAGES];

/* One load, publication, deletion or purge at a time. */
static struct lock load_lock;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void init(void)
{
    lock_init(&load_lock, RANK_CODE_LOAD);
}

static void lock_loading(void)
{
    pthread_once(&once, init);
    lock_take(&load_lock);
}

struct module *module_find(term name)
{
    size_t index = term_to_atom_index(name);
    module_slot *page = atomic_load_explicit(&pages[index >> PAGE_BITS], memory_order_acquire);
    return page == NULL ? NULL : atomic_load_explicit(&page[index % PAGE], memory_order_acquire);
}

static struct module *get_locked(term name)
{
    struct module *m = module_find(name);
    if (m != NULL) {
        return m;
    }
    size_t index = term_to_atom_index(name);
    module_slot *page = atomic_load_explicit(&pages[index >> PAGE_BITS], memory_order_relaxed);
    if (page == NULL) {
        page = vm_zalloc(PAGE * sizeof(*page));
        atomic_store_explicit(&pages[index >> PAGE_BITS], page, memory_order_release);
    }
    m = vm_zalloc(sizeof(*m));
    m->name = name;
    atomic_store_explicit(&page[index % PAGE], m, memory_order_release);
    return m;
}

void module_each(void (*fn)(struct module *m, void *arg), void *arg)
{
    for (size_t i = 0; i < PAGES; i++) {
        module_slot *page = atomic_load_explicit(&pages[i], memory_order_acquire);
        for (size_t k = 0; page != NULL && k < PAGE; k++) {
            struct module *m = atomic_load_explicit(&page[k], memory_order_acquire);
            if (m != NULL && atomic_load_explicit(&m->current, memory_order_acquire) != NULL) {
                fn(m, arg);
            }
        }
    }
}

/* ---- life of an image ---- */

struct code_image *module_prepare(const uint8_t *bytes, size_t n, char error[256])
{
    struct beam_file file;
    struct gen_code code = { 0 };
    struct code_image *image = NULL;
    if (beam_file_parse(bytes, n, &file) && gen_decode(&file, &code) && gen_validate(&code)) {
        image = emit_image(&code);
    }
    if (image != NULL) {
        code_register(image);
    } else {
        memcpy(error, file.error, sizeof(file.error));
    }
    gen_free(&code);
    beam_file_free(&file);
    return image;
}

/* Exports and funs of the image lead nowhere from now on. */
static void detach_locked(struct code_image *image, bool funs)
{
    for (size_t i = 0; i < image->n_exports; i++) {
        struct export *e = image->exports[i].export;
        if (e->bif == NULL
            && atomic_load_explicit(&e->code, memory_order_relaxed)
                   == image->words + image->exports[i].entry_word) {
            atomic_store_explicit(&e->code, &e->stub[0], memory_order_release);
        }
    }
    for (size_t i = 0; funs && i < image->n_funs; i++) {
        const uint64_t *code = image->words + image->fun_words[i];
        if (atomic_load_explicit(&image->funs[i]->code, memory_order_relaxed) == code) {
            atomic_store_explicit(&image->funs[i]->code, NULL, memory_order_release);
        }
    }
}

static bool publish_locked(struct code_image *image)
{
    struct module *m = get_locked(image->module);
    struct code_image *former = atomic_load_explicit(&m->current, memory_order_relaxed);
    if (former != NULL) {
        if (atomic_load_explicit(&m->old, memory_order_relaxed) != NULL) {
            return false;
        }
        detach_locked(former, false); /* its funs keep running the code they were made by */
        atomic_store_explicit(&m->old, former, memory_order_release);
    }
    for (size_t i = 0; i < image->n_funs; i++) {
        atomic_store_explicit(
            &image->funs[i]->code, image->words + image->fun_words[i], memory_order_release);
    }
    for (size_t i = 0; i < image->n_exports; i++) {
        struct export *e = image->exports[i].export;
        if (e->bif
            == NULL) { /* what is native here stays native; the .beam has only a stub for it */
            atomic_store_explicit(
                &e->code, image->words + image->exports[i].entry_word, memory_order_release);
        }
    }
    atomic_store_explicit(&m->current, image, memory_order_release);
    return true;
}

bool module_publish(struct code_image *image)
{
    lock_loading();
    bool ok = publish_locked(image);
    lock_drop(&load_lock);
    return ok;
}

bool module_start(struct code_image *image)
{
    lock_loading();
    struct module *m = get_locked(image->module);
    bool ok = atomic_load_explicit(&m->starting, memory_order_relaxed) == NULL;
    if (ok) {
        atomic_store_explicit(&m->starting, image, memory_order_release);
    }
    lock_drop(&load_lock);
    return ok;
}

bool module_finish_start(term name, bool keep)
{
    lock_loading();
    struct module *m = module_find(name);
    struct code_image *image =
        m == NULL ? NULL : atomic_load_explicit(&m->starting, memory_order_relaxed);
    bool ok = image != NULL && (!keep || publish_locked(image));
    if (ok) {
        atomic_store_explicit(&m->starting, NULL, memory_order_release);
    }
    lock_drop(&load_lock);
    if (ok && !keep) {
        detach_locked(image, true);
        code_image_retire(image);
    }
    return ok;
}

bool module_delete(term name)
{
    lock_loading();
    struct module *m = module_find(name);
    struct code_image *image =
        m == NULL ? NULL : atomic_load_explicit(&m->current, memory_order_relaxed);
    bool ok = image != NULL && atomic_load_explicit(&m->old, memory_order_relaxed) == NULL;
    if (ok) {
        detach_locked(image, false);
        atomic_store_explicit(&m->old, image, memory_order_release);
        atomic_store_explicit(&m->current, NULL, memory_order_release);
    }
    lock_drop(&load_lock);
    return ok;
}

void module_block_old(term name, bool block)
{
    lock_loading();
    struct module *m = module_find(name);
    struct code_image *image =
        m == NULL ? NULL : atomic_load_explicit(&m->old, memory_order_relaxed);
    for (size_t i = 0; image != NULL && i < image->n_funs; i++) {
        const uint64_t *code = image->words + image->fun_words[i];
        const uint64_t *expected = block ? code : NULL;
        atomic_compare_exchange_strong(&image->funs[i]->code, &expected, block ? NULL : code);
    }
    lock_drop(&load_lock);
}

bool module_purge_old(term name)
{
    lock_loading();
    struct module *m = module_find(name);
    struct code_image *image =
        m == NULL ? NULL : atomic_load_explicit(&m->old, memory_order_relaxed);
    if (image != NULL) {
        detach_locked(image, true);
        atomic_store_explicit(&m->old, NULL, memory_order_release);
    }
    lock_drop(&load_lock);
    if (image != NULL) {
        code_image_retire(image);
    }
    return image != NULL;
}

/* ---- by name ---- */

static enum module_load load_locked(term name, bool start, char error[256])
{
    char *path = code_path_find(name);
    if (path == NULL) {
        return MODULE_NOT_FOUND;
    }
    size_t n;
    uint8_t *bytes = code_read_file(path, &n);
    struct code_image *image = NULL;
    enum module_load result = MODULE_BAD;
    if (bytes == NULL) {
        snprintf(error, 256, "%.200s: cannot be read", path);
    } else {
        image = module_prepare(bytes, n, error);
    }
    if (image != NULL && !term_same(image->module, name)) {
        snprintf(error, 256, "%.100s: holds module %.100s", path, atom_cstr(image->module));
    } else if (image != NULL && !term_is_none(image->on_load)) {
        result = MODULE_NEEDS_ON_LOAD;
        if (start) {
            image->path = path;
            path = NULL;
            atomic_store_explicit(&get_locked(name)->starting, image, memory_order_release);
            image = NULL;
        }
    } else if (image != NULL) {
        if (strstr(path, "/lib/erts-") != NULL) {
            image->n_lines = 0; /* OTP has these modules in its emulator, without lines in traces */
        }
        image->path = path;
        path = NULL;
        if (publish_locked(image)) {
            image = NULL;
            result = MODULE_LOADED;
        } else {
            snprintf(error, 256, "%.200s: there is old code to be purged first", image->path);
        }
    }
    code_image_free(image);
    vm_free(bytes);
    vm_free(path);
    return result;
}

static enum module_load ensure(term name, bool start, char error[256])
{
    struct module *m = module_find(name);
    if (m != NULL && atomic_load_explicit(&m->current, memory_order_acquire) != NULL) {
        return MODULE_LOADED;
    }
    lock_loading();
    m = module_find(name); /* somebody else may have come first */
    enum module_load result = MODULE_LOADED;
    if (m != NULL && atomic_load_explicit(&m->starting, memory_order_relaxed) != NULL) {
        result = start ? MODULE_STARTING : MODULE_NEEDS_ON_LOAD;
    } else if (m == NULL || atomic_load_explicit(&m->current, memory_order_relaxed) == NULL) {
        result = load_locked(name, start, error);
    }
    lock_drop(&load_lock);
    return result;
}

enum module_load module_ensure_loaded(term name, char error[256])
{
    return ensure(name, false, error);
}

enum module_load module_ensure_started(term name, char error[256])
{
    return ensure(name, true, error);
}
