#include "isolation/symbols.h"

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "lib/base/arena.h"
#include "lib/base/lock.h"

struct function {
    uint64_t start, size; /* as in the file, before it was moved to its address */
    const char *name;     /* in the mapped file */
};

/* One loaded file, looked at for the first time when a frame in it is named. Kept for ever: the
 * names point into the mapping. */
struct image {
    uintptr_t map_start, base;
    const char *name;
    struct function *functions; /* owned, sorted */
    size_t n_functions;
    struct image *next;
};
static struct image *images; /* guarded by the lock */
static struct lock images_lock = { PTHREAD_MUTEX_INITIALIZER, RANK_EXECUTOR, RANK_NONE };

bool symbols_is_code(uintptr_t address)
{
    struct dl_find_object found;
    return _dl_find_object((void *) address, &found) == 0;
}

static int by_start(const void *a, const void *b)
{
    const struct function *x = a, *y = b;
    return x->start < y->start ? -1 : x->start > y->start;
}

/* A section's bytes if they lie in the file. */
static const void *section(const uint8_t *file, size_t file_bytes, const Elf64_Shdr *s)
{
    if (s->sh_type == SHT_NOBITS || s->sh_offset > file_bytes || s->sh_size > file_bytes - s->sh_offset) {
        return NULL;
    }
    return file + s->sh_offset;
}

static void take_table(struct image *image, const uint8_t *file, size_t bytes, const Elf64_Shdr *table, const Elf64_Shdr *strings)
{
    const Elf64_Sym *syms = section(file, bytes, table);
    const char *text = section(file, bytes, strings);
    size_t n = table->sh_size / sizeof(*syms);
    if (syms == NULL || text == NULL || strings->sh_size == 0 || text[strings->sh_size - 1] != '\0') {
        return;
    }
    struct function *f = vm_try_alloc((n + 1) * sizeof(*f));
    if (f == NULL) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        unsigned type = ELF64_ST_TYPE(syms[i].st_info);
        if ((type == STT_FUNC || type == STT_GNU_IFUNC) && syms[i].st_shndx != SHN_UNDEF && syms[i].st_name < strings->sh_size) {
            f[image->n_functions++] = (struct function) { syms[i].st_value, syms[i].st_size, text + syms[i].st_name };
        }
    }
    qsort(f, image->n_functions, sizeof(*f), by_start);
    image->functions = f;
}

static void read_functions(struct image *image, const char *path)
{
    scope_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0 || (size_t) st.st_size < sizeof(Elf64_Ehdr)) {
        return;
    }
    size_t bytes = (size_t) st.st_size;
    const uint8_t *file = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE, fd, 0);
    if (file == MAP_FAILED) {
        return;
    }
    const Elf64_Ehdr *e = (const void *) file;
    bool is_elf = memcmp(e->e_ident, ELFMAG, SELFMAG) == 0 && e->e_shentsize == sizeof(Elf64_Shdr)
        && e->e_shoff < bytes && e->e_shnum <= (bytes - e->e_shoff) / sizeof(Elf64_Shdr) && e->e_shoff % 8 == 0;
    const Elf64_Shdr *s = is_elf ? (const void *) (file + e->e_shoff) : NULL;
    const Elf64_Shdr *best = NULL;
    for (unsigned i = 0; is_elf && i < e->e_shnum; i++) {
        bool fits = s[i].sh_entsize == sizeof(Elf64_Sym) && s[i].sh_link < e->e_shnum;
        if (fits && (s[i].sh_type == SHT_SYMTAB || (s[i].sh_type == SHT_DYNSYM && best == NULL))) {
            best = &s[i];
        }
    }
    if (best != NULL) {
        take_table(image, file, bytes, best, &s[best->sh_link]);
    }
    if (image->functions == NULL) {
        munmap((void *) file, bytes);
    }
}

static struct image *image_get_locked(const struct dl_find_object *found)
{
    uintptr_t start = (uintptr_t) found->dlfo_map_start;
    const struct link_map *map = found->dlfo_link_map;
    for (struct image *i = images; i != NULL; i = i->next) {
        if (i->map_start == start && i->base == map->l_addr) {
            return i;
        }
    }
    struct image *i = vm_zalloc(sizeof(*i));
    const char *path = map->l_name[0] != '\0' ? map->l_name : "/proc/self/exe";
    const char *slash = strrchr(map->l_name, '/');
    const char *name = map->l_name[0] == '\0' ? "bulkhead" : slash != NULL ? slash + 1 : map->l_name;
    size_t n = strlen(name) + 1;
    i->map_start = start;
    i->base = map->l_addr;
    i->name = memcpy(vm_alloc(n), name, n);
    read_functions(i, path);
    i->next = images;
    images = i;
    return i;
}

bool symbols_find(uintptr_t address, struct symbol *out)
{
    struct dl_find_object found;
    if (_dl_find_object((void *) address, &found) != 0) {
        return false;
    }
    lock_take(&images_lock);
    const struct image *image = image_get_locked(&found);
    lock_drop(&images_lock);
    uint64_t at = address - image->base;
    size_t low = 0, high = image->n_functions;
    while (low < high) { /* first that starts behind `at` */
        size_t middle = low + (high - low) / 2;
        if (image->functions[middle].start <= at) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    *out = (struct symbol) { .library = image->name, .library_start = image->base };
    if (low > 0) {
        const struct function *f = &image->functions[low - 1];
        if (at - f->start < f->size || f->size == 0) {
            out->function = f->name;
            out->function_start = image->base + f->start;
        }
    }
    return true;
}
