#include "isolation/fp_scan.h"

#include <dlfcn.h>
#include <link.h>
#include <string.h>

/* Libraries that give back what they change, unless told otherwise by the functions below. */
static const char *const well_behaved[] = { "libc.so", "libm.so", "libpthread.so", "libdl.so", "librt.so", "libgcc_s.so",
    "libstdc++.so", "ld-linux" };

/* Functions that change the control bits, or bring in code that nobody has looked at. */
static const char *const telling_imports[] = { "fesetround", "fesetenv", "feholdexcept", "feupdateenv", "feenableexcept",
    "fedisableexcept", "fesetmode", "dlopen", "dlmopen", "mmap", "mmap64", "mprotect", "enif_dlopen" };

static bool starts_with_one_of(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(well_behaved); i++) {
        if (strncmp(name, well_behaved[i], strlen(well_behaved[i])) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_telling(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(telling_imports); i++) {
        if (strcmp(name, telling_imports[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* Undefined symbols come before those in the hash table. */
static bool imports_are_harmless(const ElfW(Sym) *symbols, const char *strings, const uint32_t *gnu_hash)
{
    if (symbols == NULL || strings == NULL || gnu_hash == NULL) {
        return false;
    }
    uint32_t first_defined = gnu_hash[1];
    for (uint32_t i = 1; i < first_defined; i++) {
        if (is_telling(strings + symbols[i].st_name)) {
            return false;
        }
    }
    return true;
}

static bool dynamic_is_harmless(const struct link_map *map)
{
    const ElfW(Sym) *symbols = NULL;
    const char *strings = NULL;
    const uint32_t *gnu_hash = NULL;
    for (const ElfW(Dyn) *d = map->l_ld; d->d_tag != DT_NULL; d++) {
        switch (d->d_tag) { /* the loader has made addresses of them */
        case DT_SYMTAB: symbols = (const void *) d->d_un.d_ptr; break;
        case DT_STRTAB: strings = (const void *) d->d_un.d_ptr; break;
        case DT_GNU_HASH: gnu_hash = (const void *) d->d_un.d_ptr; break;
        default: break;
        }
    }
    for (const ElfW(Dyn) *d = map->l_ld; strings != NULL && d->d_tag != DT_NULL; d++) {
        if (d->d_tag == DT_NEEDED && !starts_with_one_of(strings + d->d_un.d_val)) {
            return false;
        }
    }
    return imports_are_harmless(symbols, strings, gnu_hash);
}

/* Do an opcode and the byte behind it, wherever they stand, mean a load of FP control from memory? */
static bool may_load_control(const uint8_t *at)
{
    unsigned reg = at[1] >> 3 & 7, mod = at[1] >> 6;
    if (mod == 3) {
        return false; /* no memory operand */
    }
    switch (at[0]) {
    case 0xae: /* fxrstor /1, ldmxcsr /2, xrstor /5: behind 0F, or a VEX prefix without mandatory prefix */
        return (reg == 1 || reg == 2 || reg == 5) && (at[-1] == 0x0f || (at[-1] & 7) == 0);
    case 0xd9: return reg == 4 || reg == 5; /* fldenv, fldcw */
    case 0xdd: return reg == 4;             /* frstor */
    default: return false;
    }
}

bool fp_scan_may_change(const struct native_library *lib, void *handle)
{
    struct link_map *map;
    if (dlinfo(handle, RTLD_DI_LINKMAP, &map) != 0 || !dynamic_is_harmless(map)) {
        return true;
    }
    for (unsigned i = 0; i < lib->n_code; i++) {
        const uint8_t *end = (const uint8_t *) lib->code[i].end - 1;
        for (const uint8_t *at = (const uint8_t *) lib->code[i].start + 1; at < end; at++) {
            if (may_load_control(at)) {
                return true; /* or the bytes only look like it */
            }
        }
    }
    return false;
}
