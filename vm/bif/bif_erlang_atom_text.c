/* bif_erlang_atom_text.c - atoms, pids, ports, references and funs to text and back. */
#include "lib/base/arena.h"
#include "vm/bif/bif.h"
#include "vm/bif/bif_text.h"
#include "vm/core/bits.h"
#include "vm/core/chars.h"
#include "vm/core/print.h"
#include "vm/core/ref.h"

/* ---- atoms ---- */

static term make_atom(struct proc *p, const char *utf8, size_t bytes, bool existing)
{
    term atom = existing ? atom_lookup(utf8, bytes) : atom_intern(utf8, bytes);
    if (!term_is_none(atom)) {
        return atom;
    }
    return existing ? proc_badarg(p) : proc_system_limit(p); /* too long, or the table is full */
}

static term atom_from_list(struct proc *p, term list, bool existing)
{
    uint8_t utf8[ATOM_MAX_BYTES];
    size_t bytes = 0, chars = 0;
    for (; term_is_cons(list); list = term_tail(list), chars++) {
        uint8_t beyond[UTF8_MAX_BYTES];
        size_t n = chars_put(chars < ATOM_MAX_CHARS ? utf8 + bytes : beyond, term_head(list));
        if (n == 0) {
            return proc_badarg(p);
        }
        bytes += chars < ATOM_MAX_CHARS ? n : 0;
    }
    if (!term_is_nil(list)) {
        return proc_badarg(p);
    }
    if (chars > ATOM_MAX_CHARS) {
        return existing ? proc_badarg(p) : proc_system_limit(p);
    }
    return make_atom(p, (const char *) utf8, bytes, existing);
}

term bif_erlang_list_to_atom_1(struct proc *p, term *args)
{
    return atom_from_list(p, args[0], false);
}
term bif_erlang_list_to_existing_atom_1(struct proc *p, term *args)
{
    return atom_from_list(p, args[0], true);
}

static term atom_from_latin1(struct proc *p, const struct bif_text *text, bool existing)
{
    uint8_t utf8[ATOM_MAX_BYTES];
    size_t bytes = 0;
    if (text->n > ATOM_MAX_CHARS) {
        return existing ? proc_badarg(p) : proc_system_limit(p);
    }
    for (size_t i = 0; i < text->n; i++) {
        bytes += utf8_put(utf8 + bytes, (uint8_t) text->text[i]);
    }
    return make_atom(p, (const char *) utf8, bytes, existing);
}

static term atom_from_binary(struct proc *p, term binary, term encoding, bool existing)
{
    struct bif_text text;
    bool latin1 = term_same(encoding, ATOM(latin1));
    if ((!latin1 && !term_same(encoding, ATOM(utf8)) && !term_same(encoding, ATOM(unicode)))
        || !bif_text_from_binary(binary, &text)) {
        return proc_badarg(p);
    }
    term t;
    if (latin1) {
        t = atom_from_latin1(p, &text, existing);
    } else {
        size_t good_bytes, chars = utf8_count((const uint8_t *) text.text, text.n, &good_bytes);
        bool good = good_bytes == text.n;
        bool too_long = chars + !good > ATOM_MAX_CHARS || text.n > ATOM_MAX_BYTES;
        if (too_long && !existing) { /* OTP has seen that before it sees what is wrong behind it */
            t = proc_system_limit(p);
        } else if (too_long || !good) {
            t = proc_badarg(p);
        } else {
            t = make_atom(p, text.text, text.n, existing);
        }
    }
    vm_free(text.owned);
    return t;
}

term bif_erlang_binary_to_atom_1(struct proc *p, term *args)
{
    return atom_from_binary(p, args[0], ATOM(utf8), false);
}
term bif_erlang_binary_to_atom_2(struct proc *p, term *args)
{
    return atom_from_binary(p, args[0], args[1], false);
}
term bif_erlang_binary_to_existing_atom_1(struct proc *p, term *args)
{
    return atom_from_binary(p, args[0], ATOM(utf8), true);
}
term bif_erlang_binary_to_existing_atom_2(struct proc *p, term *args)
{
    return atom_from_binary(p, args[0], args[1], true);
}

term bif_erlang_atom_to_list_1(struct proc *p, term *args)
{
    if (!term_is_atom(args[0])) {
        return proc_badarg(p);
    }
    struct atom_text a = atom_text(args[0]);
    return chars_from_utf8(&p->heap, a.utf8, a.bytes);
}

static term atom_to_latin1(struct proc *p, struct atom_text a)
{
    uint8_t bytes[ATOM_MAX_CHARS];
    const uint8_t *at = (const uint8_t *) a.utf8, *end = at + a.bytes;
    size_t n = 0;
    for (; at < end; n++) {
        uint32_t c = 0;
        at += utf8_get(at, (size_t) (end - at), &c);
        if (c > 0xFF) {
            return proc_badarg(p);
        }
        bytes[n] = (uint8_t) c;
    }
    return bif_text_to_binary(p, (const char *) bytes, n);
}

term bif_erlang_atom_to_binary_2(struct proc *p, term *args)
{
    if (!term_is_atom(args[0])) {
        return proc_badarg(p);
    }
    struct atom_text a = atom_text(args[0]);
    if (term_same(args[1], ATOM(utf8)) || term_same(args[1], ATOM(unicode))) {
        return bif_text_to_binary(p, a.utf8, a.bytes);
    }
    return term_same(args[1], ATOM(latin1)) ? atom_to_latin1(p, a) : proc_badarg(p);
}
term bif_erlang_atom_to_binary_1(struct proc *p, term *args)
{
    term with_encoding[2] = { args[0], ATOM(utf8) };
    return bif_erlang_atom_to_binary_2(p, with_encoding);
}

/* ---- identifiers ---- */

static term printed(struct proc *p, term value)
{
    struct text t = { 0 };
    print_term(&t, value, PRINT_DISPLAY);
    term list = bif_text_to_list(p, t.data, t.len);
    text_free(&t);
    return list;
}

term bif_erlang_pid_to_list_1(struct proc *p, term *args)
{
    return term_is_pid(args[0]) ? printed(p, args[0]) : proc_badarg(p);
}
term bif_erlang_port_to_list_1(struct proc *p, term *args)
{
    return term_is_port(args[0]) ? printed(p, args[0]) : proc_badarg(p);
}
term bif_erlang_ref_to_list_1(struct proc *p, term *args)
{
    return term_is_ref(args[0]) ? printed(p, args[0]) : proc_badarg(p);
}
term bif_erlang_fun_to_list_1(struct proc *p, term *args)
{
    return term_is_fun(args[0]) ? printed(p, args[0]) : proc_badarg(p);
}

/* "Prefix<0.N.N...>" with exactly n numbers after the node's 0. */
static bool parse_identifier(term list, const char *prefix, uint64_t *numbers, size_t n)
{
    struct bif_text text;
    size_t prefix_len = strlen(prefix);
    if (!bif_text_from_list(list, &text)) {
        return false;
    }
    const char *at = text.text, *end = at + text.n;
    bool ok = text.n > prefix_len && memcmp(at, prefix, prefix_len) == 0;
    at += prefix_len;
    for (size_t i = 0; ok && i <= n; i++) {
        uint64_t value = 0;
        const char *first = at;
        for (; at < end && *at >= '0' && *at <= '9' && value <= UINT32_MAX; at++) {
            value = value * 10 + (uint64_t) (*at - '0');
        }
        ok = at > first && value <= UINT32_MAX && at < end && *at == (i < n ? '.' : '>');
        at++;
        if (i == 0) {
            ok = ok && value == 0;
        } else {
            numbers[i - 1] = value;
        }
    }
    ok = ok && at == end;
    vm_free(text.owned);
    return ok;
}

term bif_erlang_list_to_pid_1(struct proc *p, term *args)
{
    uint64_t n[2];
    if (!parse_identifier(args[0], "<", n, 2) || (n[0] >> TERM_PID_NUMBER_BITS) != 0
        || (n[1] >> TERM_PID_NUMBER_BITS) != 0) {
        return proc_badarg(p);
    }
    return term_from_pid((uint32_t) n[0], (uint32_t) n[1]);
}

term bif_erlang_list_to_port_1(struct proc *p, term *args)
{
    uint64_t n;
    return parse_identifier(args[0], "#Port<", &n, 1) ? term_from_port(n) : proc_badarg(p);
}

term bif_erlang_list_to_ref_1(struct proc *p, term *args)
{
    uint64_t n[REF_LOCAL_NUMBERS];
    if (!parse_identifier(args[0], "#Ref<", n, REF_LOCAL_NUMBERS) || (n[2] >> REF_FIRST_BITS) != 0
        || (n[0] >> REF_THIRD_BITS) != 0) {
        return proc_badarg(p);
    }
    return heap_ref(&p->heap, n[2] | n[1] << REF_FIRST_BITS | n[0] << (REF_FIRST_BITS + 32), 0);
}
