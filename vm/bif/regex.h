/* regex.h - Perl regular expressions: PCRE 8, the library OTP embeds, behind a cache per thread.
 *
 * A compiled expression never becomes a term: the binary in {re_pattern, ...} holds the pattern and
 * its options, so no forged binary reaches the matcher. PCRE recurses on the C stack; a match
 * that needs more than a little of it, or long, is given up with REGEX_TOO_LONG and is run again
 * with `deep` on a dirty scheduler, on a stack of its own.
 */
#ifndef BIF_REGEX_H
#define BIF_REGEX_H

#include "lib/base/base.h"

/* Library calls want an int; patterns and subjects are cut off before that. */
#define REGEX_MAX_BYTES ((size_t) INT32_MAX / 2)

struct regex {
    uint64_t hash;
    char *pattern; /* owned, n_pattern bytes and a NUL */
    size_t n_pattern;
    uint32_t options; /* PCRE_ bits it was asked for with */
    int n_captures;
    bool crlf; /* \r\n may end a line */
    int n_names, name_entry_size;
    const uint8_t
        *names;         /* n_names entries: group number (2 bytes, big-endian), name, NUL; sorted */
    void *code, *study; /* owned */
};

/* Borrowed until this thread's next call. NULL: *error is a static text and *error_offset in bytes. */
const struct regex *regex_get(
    const uint8_t *pattern, size_t n, uint32_t options, const char **error, int *error_offset);

struct regex_match {
    const uint8_t *subject;
    size_t n, start;
    uint32_t options; /* PCRE_ bits */
    uint32_t match_limit, recursion_limit;
    bool deep;
    int *ends; /* out: 3 * (n_captures + 1), the first two thirds start and end of each group */
    int n_ends;
};

enum regex_status {
    REGEX_MATCH,
    REGEX_NO_MATCH,
    REGEX_BAD /* not UTF-8, or start behind the end */,
    REGEX_MATCH_LIMIT,
    REGEX_RECURSION_LIMIT,
    REGEX_TOO_LONG,
    REGEX_NO_MEMORY,
};
/* *n_groups: one more than the highest group that took part. */
enum regex_status regex_exec(const struct regex *re, struct regex_match *m, int *n_groups);

#endif
