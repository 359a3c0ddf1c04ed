/* Two structures, both read without a lock, by this program and by attached workers (shared_root.h):
 *
 *   chunks[i]  -> CHUNK entries of (text, hash), written once, never moved
 *   slots      -> open-addressing table: (hash tag << 32 | index + 1), 0: free
 *
 * A writer (under the lock) fills the entry, then stores the slot with release order; readers load
 * slots with acquire order. Growing makes a new slot table and publishes it; the old one is kept,
 * since a reader may still be in it: all old tables together are no larger than the new one.
 *
 * An attached worker adds nothing: it asks the VM for atoms that it does not find.
 */
#include "vm/core/atom.h"

#include <xxhash.h>

#include "lib/base/lock.h"
#include "lib/base/utf8.h"
#include "vm/core/shared_root.h"

enum {
    ATOM_LIMIT = SHARED_ROOT_ATOM_LIMIT,
    ATOM_RESERVE = SHARED_ROOT_ATOM_RESERVE,
    CHUNK_SHIFT = SHARED_ROOT_CHUNK_SHIFT,
    CHUNK = 1 << CHUNK_SHIFT,
    TEXT_BLOCK = 32 << 10,
    FIRST_SLOTS = 2048,
};

struct atom_entry {
    const char *utf8;
    uint64_t
        prefix; /* the first eight bytes, big-endian, zeros behind a shorter text: orders most pairs */
    uint32_t hash; /* OTP's: hash for phash2 */
    uint16_t bytes;
    uint16_t chars;
};

struct atom_slots {
    size_t mask;
    _Atomic uint64_t slot[];
};

/* The one atom table of the program; lock guards writes. */
static struct lock lock;
static char *text_at, *text_end; /* free part of the current text block */

term (*atom_make_elsewhere)(const char *utf8, size_t bytes);

static inline struct atom_entry *entry_of(size_t index)
{
    struct atom_entry *chunk =
        atomic_load_explicit(&SHARED_ROOT->atom_chunks[index >> CHUNK_SHIFT], memory_order_acquire);
    return &chunk[index & (CHUNK - 1)];
}

/* Number of characters, or -1 if the text is not UTF-8. */
static int utf8_length(const char *s, size_t n)
{
    size_t good_bytes, chars = utf8_count((const uint8_t *) s, n, &good_bytes);
    return good_bytes == n ? (int) chars : -1;
}

/* The hash OTP has always used for atoms: PJW over the characters, those above 255 byte by byte. */
static uint32_t text_hash(const uint8_t *s, size_t n)
{
    uint32_t h = 0;
    for (size_t i = 0; i < n; i++) {
        uint8_t c = s[i];
        if (i + 1 < n && (c & 0xFE) == 0xC2 && (s[i + 1] & 0xC0) == 0x80) {
            c = (uint8_t) (c << 6 | (s[++i] & 0x3F));
        }
        h = (h << 4) + c;
        uint32_t top = h & 0xF0000000;
        if (top != 0) {
            h ^= top >> 24;
            h ^= top;
        }
    }
    return h;
}

static uint64_t text_prefix(const char *s, size_t n)
{
    uint64_t prefix = 0;
    for (size_t i = 0; i < 8; i++) {
        prefix = prefix << 8 | (i < n ? (uint8_t) s[i] : 0);
    }
    return prefix;
}

static term find(const struct atom_slots *t, uint64_t hash, const char *text, size_t bytes)
{
    uint64_t tag = hash >> 32;
    for (size_t i = hash;; i++) {
        uint64_t slot = atomic_load_explicit(&t->slot[i & t->mask], memory_order_acquire);
        if (slot == 0) {
            return TERM_NONE;
        }
        if (slot >> 32 == tag) {
            size_t index = (uint32_t) slot - 1;
            const struct atom_entry *e = entry_of(index);
            if (e->bytes == bytes && memcmp(e->utf8, text, bytes) == 0) {
                return term_from_atom_index(index);
            }
        }
    }
}

static void put_slot(struct atom_slots *t, uint64_t hash, size_t index)
{
    size_t i = hash & t->mask;
    while (atomic_load_explicit(&t->slot[i], memory_order_relaxed) != 0) {
        i = (i + 1) & t->mask;
    }
    atomic_store_explicit(&t->slot[i], (hash >> 32) << 32 | (index + 1), memory_order_release);
}

static struct atom_slots *slots_new(size_t n)
{
    struct atom_slots *t = shared_zalloc(sizeof(*t) + n * sizeof(t->slot[0]));
    t->mask = n - 1;
    return t;
}

static void grow_locked(size_t count)
{
    struct atom_slots *old = atomic_load_explicit(&SHARED_ROOT->atom_slots, memory_order_relaxed);
    struct atom_slots *t = slots_new(2 * (old->mask + 1));
    for (size_t i = 0; i < count; i++) {
        const struct atom_entry *e = entry_of(i);
        put_slot(t, XXH3_64bits(e->utf8, e->bytes), i);
    }
    atomic_store_explicit(&SHARED_ROOT->atom_slots, t, memory_order_release);
}

/* Can the VM go on without it? */
enum need { OPTIONAL, NEEDED };

static const char *keep_text_locked(const char *text, size_t bytes, enum need need)
{
    if ((size_t) (text_end - text_at) < bytes + 1) {
        text_at = need == NEEDED ? arena_alloc_urgent(arena_literals, TEXT_BLOCK) : arena_alloc(arena_literals, TEXT_BLOCK);
        if (text_at == NULL) {
            text_end = NULL;
            return NULL;
        }
        text_end = text_at + TEXT_BLOCK;
    }
    char *kept = text_at;
    memcpy(kept, text, bytes);
    kept[bytes] = '\0';
    text_at += bytes + 1;
    return kept;
}

/* pre: the text is checked and not in the table */
static term add_locked(uint64_t hash, const char *text, size_t bytes, int chars, enum need need)
{
    size_t index = atomic_load_explicit(&SHARED_ROOT->n_atoms, memory_order_relaxed);
    const char *kept = index < ATOM_LIMIT + (need == NEEDED ? ATOM_RESERVE : 0) ? keep_text_locked(text, bytes, need) : NULL;
    if (kept == NULL) {
        return TERM_NONE;
    }
    struct atom_slots *t = atomic_load_explicit(&SHARED_ROOT->atom_slots, memory_order_relaxed);
    if (2 * index > t->mask) {
        grow_locked(index);
        t = atomic_load_explicit(&SHARED_ROOT->atom_slots, memory_order_relaxed);
    }
    if (index % CHUNK == 0) {
        struct atom_entry *chunk = shared_zalloc(CHUNK * sizeof(*chunk));
        atomic_store_explicit(
            &SHARED_ROOT->atom_chunks[index >> CHUNK_SHIFT], chunk, memory_order_release);
    }
    *entry_of(index) = (struct atom_entry) {
        .utf8 = kept,
        .prefix = text_prefix(text, bytes),
        .hash = text_hash((const uint8_t *) text, bytes),
        .bytes = (uint16_t) bytes,
        .chars = (uint16_t) chars,
    };
    put_slot(t, hash, index);
    atomic_store_explicit(&SHARED_ROOT->n_atoms, index + 1, memory_order_release);
    return term_from_atom_index(index);
}

static term intern(const char *utf8, size_t bytes, enum need need)
{
    uint64_t hash = XXH3_64bits(utf8, bytes);
    term atom = find(
        atomic_load_explicit(&SHARED_ROOT->atom_slots, memory_order_acquire), hash, utf8, bytes);
    if (!term_is_none(atom)) {
        return atom;
    }
    int chars = bytes <= ATOM_MAX_BYTES ? utf8_length(utf8, bytes) : -1;
    if (chars < 0 || chars > ATOM_MAX_CHARS) {
        return TERM_NONE;
    }
    if (arena_is_attached()) {
        return atom_make_elsewhere != NULL ? atom_make_elsewhere(utf8, bytes) : TERM_NONE;
    }
    lock_take(&lock);
    atom = find(
        atomic_load_explicit(&SHARED_ROOT->atom_slots, memory_order_relaxed), hash, utf8, bytes);
    if (term_is_none(atom)) {
        atom = add_locked(hash, utf8, bytes, chars, need);
    }
    lock_drop(&lock);
    return atom;
}

term atom_intern(const char *utf8, size_t bytes)
{
    return intern(utf8, bytes, OPTIONAL);
}

/* Bytes written to out, of room for 2 * n. */
static size_t latin1_to_utf8(const uint8_t *text, size_t n, char *out)
{
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        at += utf8_put((uint8_t *) out + at, text[i]);
    }
    return at;
}

term atom_intern_latin1(const uint8_t *text, size_t bytes)
{
    char utf8[2 * ATOM_MAX_CHARS];
    if (bytes > ATOM_MAX_CHARS) {
        return TERM_NONE;
    }
    return atom_intern(utf8, latin1_to_utf8(text, bytes, utf8));
}

term atom_lookup_latin1(const uint8_t *text, size_t bytes)
{
    char utf8[2 * ATOM_MAX_CHARS];
    if (bytes > ATOM_MAX_CHARS) {
        return TERM_NONE;
    }
    return atom_lookup(utf8, latin1_to_utf8(text, bytes, utf8));
}

term atom_from_cstr(const char *text)
{
    term atom = intern(text, strlen(text), NEEDED);
    VM_REQUIRE(!term_is_none(atom));
    return atom;
}

term atom_lookup(const char *utf8, size_t bytes)
{
    return find(atomic_load_explicit(&SHARED_ROOT->atom_slots, memory_order_acquire),
        XXH3_64bits(utf8, bytes), utf8, bytes);
}

struct atom_text atom_text(term atom)
{
    VM_ASSERT(term_is_atom(atom));
    const struct atom_entry *e = entry_of(term_to_atom_index(atom));
    return (struct atom_text) { .utf8 = e->utf8, .bytes = e->bytes, .chars = e->chars };
}

const char *atom_cstr(term atom)
{
    return atom_text(atom).utf8;
}

uint32_t atom_hash(term atom)
{
    return entry_of(term_to_atom_index(atom))->hash;
}

int atom_compare(term a, term b)
{
    if (term_same(a, b)) {
        return 0;
    }
    const struct atom_entry *ea = entry_of(term_to_atom_index(a)),
                            *eb = entry_of(term_to_atom_index(b));
    if (ea->prefix != eb->prefix) {
        return ea->prefix < eb->prefix ? -1 : 1;
    }
    int diff = memcmp(ea->utf8, eb->utf8, ea->bytes < eb->bytes ? ea->bytes : eb->bytes);
    return diff != 0 ? diff : (int) ea->bytes - (int) eb->bytes;
}

size_t atom_count(void)
{
    return atomic_load_explicit(&SHARED_ROOT->n_atoms, memory_order_acquire);
}

void atom_table_init(void)
{
    static const char *const texts[] = {
#define ATOM_DEF(ident, text) text,
#include "vm/core/atoms.def"
#undef ATOM_DEF
    };
    VM_REQUIRE(arena_init_all()); /* address space for the arenas */
    lock_init(&lock, RANK_ATOM_TABLE);
    atomic_store_explicit(&SHARED_ROOT->atom_slots, slots_new(FIRST_SLOTS), memory_order_release);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        /* Equal texts in two rows would shift every later index. */
        VM_REQUIRE(term_to_atom_index(atom_from_cstr(texts[i])) == i);
    }
}

uint64_t atom_table_root(void)
{
    return (uint64_t) (uintptr_t) SHARED_ROOT;
}

void atom_table_attach(uint64_t root)
{
    VM_REQUIRE(arena_is_attached() && root == (uintptr_t) SHARED_ROOT);
    VM_REQUIRE(atom_count() >= ATOM_N_PREDEFINED);
}
