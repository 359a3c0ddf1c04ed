/* protocol.h - what the VM and a worker say to each other.
 *
 *   on the worker's socket (small, one datagram each, descriptors beside it)
 *     VM      ─► SETUP  LANE*  ABANDON  RELEASE  DOWN  ANSWER  UNLOAD  CLOSE
 *     worker  ─► SEND  ASK  CRASHED                         from threads outside of any call
 *                NO_LANE                                    it cannot serve one that it was given
 *   on each lane (channel.h), one call at a time
 *     VM      ─► OPEN | CALL | CALL_MANY                    ANSWER
 *     worker  ─► (SEND | ASK)*  then one of  OPENED | RESULT | RAISED | CRASHED
 *
 * Both ends are of one build and on one machine: structs cross as they are. The VM takes nothing in
 * them on trust (tainted.h).
 */
#ifndef ISOLATION_PROTOCOL_H
#define ISOLATION_PROTOCOL_H

#include "isolation/executor.h"
#include "isolation/remote/channel.h"

enum { PROTOCOL_VERSION = 1, PROTOCOL_MAX_LANES = 64, PROTOCOL_DATAGRAM_MAX = 64 << 10 };

enum frame_kind {
    /* VM to worker */
    FRAME_OPEN = 1,  /* body: a term, see remote_library.c; extra: id of the library */
    FRAME_CALL,      /* extra: call_target; body: mode's own form of the arguments */
    FRAME_CALL_MANY, /* extra: call_target; body: a list of argument lists */
    FRAME_ANSWER,    /* to ASK of the same number; extra: the answer, or a body */
    /* worker to VM */
    FRAME_OPENED = 32, /* body: {ok, [{Name, Arity, Flags}]} or {error, {Kind, Text}}; extra: 1 if load or upgrade crashed */
    FRAME_RESULT,      /* body: mode's own form of the result */
    FRAME_RAISED,      /* body: the reason; extra: which call of CALL_MANY did, from 0 */
    FRAME_CRASHED,     /* body: struct wire_crash, then a term: the stack trace; extra: the same */
    FRAME_SEND,        /* extra: pid; body: the message */
    FRAME_ASK,         /* extra: enum ask_kind; body: as that says */
};

/* Which function: extra of FRAME_CALL. */
static inline uint64_t call_target(uint32_t library, uint32_t function)
{
    return (uint64_t) library << 32 | function;
}

enum ask_kind {
    ASK_WHEREIS = 1,  /* body: term, a name; answer: pid or port as a word, 0 */
    ASK_PROCESS_ALIVE, /* body: pid word; 0, 1 */
    ASK_PORT_ALIVE,
    ASK_CALLER_ALIVE, /* the caller of this lane */
    ASK_WATCH,        /* body: pid word; from now on DOWN when it ends; 0: it has ended */
    ASK_UNIQUE,       /* body: word, monotonic?; an integer */
    ASK_NOW_US,
    ASK_PORT_COMMAND, /* body: term {Port, Data}; 0, 1 */
    ASK_ATOM,         /* body: UTF-8 text; the atom as a word, 0: none can be made */
    ASK_MEMORY,       /* shared_heap; body: bytes << 1, | 1 for an off-heap binary; its address, 0: none */
};

/* Terms in a body: this; if it says so the number of blobs, 32 bits, and the size of each, 64 bits; the encoding;
 * the blobs, each from the next multiple of 8 bytes on. */
struct wire_term {
    uint32_t etf_bytes; /* | WIRE_BLOBS */
};
#define WIRE_BLOBS (UINT32_C(1) << 31)

/* FRAME_CALL of the modes that share memory: this, what is lent, the argument words. With two of these and nothing lent
 * it fits the cache line of its header. */
struct wire_shared_call {
    uint64_t caller;     /* pid */
    uint32_t timeout_ms; /* 0: none */
    uint16_t n_args;
    uint16_t lent;       /* which of these follow: */
};
enum wire_lent {
    WIRE_LENT_ROOM = 1, /* shared_heap: where results of this and all later calls of the lane are built; size in words */
    WIRE_LENT_BIN = 2,  /* shared_heap: an off-heap binary for the result of this one; size in bytes */
};
struct wire_memory {
    uint64_t address, size;
};
/* FRAME_RESULT: extra says what the body is. */
enum result_form {
    RESULT_ENCODED,  /* a wire_term */
    RESULT_IN_PLACE, /* struct wire_shared_result */
};
struct wire_shared_result {
    uint64_t value;      /* the term */
    uint64_t used_words; /* of the room; of no meaning if other memory was asked for */
};
/* FRAME_CALL of ipc: this, then a wire_term: the arguments. With two small ones it fits the cache line of its header. */
struct wire_call {
    uint64_t caller;     /* pid */
    uint32_t timeout_ms; /* 0: none */
    uint32_t n_args;
};

/* native_outcome and native_crash as they cross. */
struct wire_crash {
    uint32_t status, panic; /* enum native_status, enum native_panic */
    int64_t number;
    int32_t signal, code;
    uint64_t address, pc;
    uint8_t is_write, has_address, place, unused[5];
    char text[NATIVE_TEXT_MAX], detail[NATIVE_DETAIL_MAX];
    char frames[2048]; /* as crash reports show them, NUL-terminated */
};

/* ---- datagrams on the socket ---- */
enum datagram_kind {
    DATAGRAM_SETUP = 1, /* struct setup; descriptors: term arena, literals (shared modes) */
    DATAGRAM_LANE,      /* value: index, transport << 8; descriptors of the channel */
    DATAGRAM_ABANDON,   /* value: lane << 32 | number of the call */
    DATAGRAM_RELEASE,   /* payload: struct wire_release[] */
    DATAGRAM_DOWN,      /* value: pid word */
    DATAGRAM_ANSWER,    /* number, value */
    DATAGRAM_UNLOAD,    /* value: id of a library */
    DATAGRAM_CLOSE,     /* unload the libraries, then exit(0) */
    DATAGRAM_SEND = 32, /* value: pid; payload: wire_term, perhaps in pieces (more) */
    DATAGRAM_ASK,       /* kind in value; payload as with FRAME_ASK */
    DATAGRAM_CRASHED,   /* value: enum wire_callback; payload: struct wire_crash: a callback did not return */
    DATAGRAM_NO_LANE,   /* value: index: no thread or memory for it; not the first */
};
/* What crashed. */
enum wire_callback { WIRE_DESTRUCTOR, WIRE_DOWN, WIRE_STOP, WIRE_UNLOAD, WIRE_THREAD, WIRE_LOAD, WIRE_OTHER, WIRE_CALLBACKS };
extern const char *const wire_callback_names[WIRE_CALLBACKS];

struct datagram {
    uint16_t kind;
    uint16_t more;   /* of a payload in pieces: 1 on all but the last */
    uint32_t number; /* ASK and its ANSWER */
    uint64_t value;
};
struct wire_release {
    uint64_t handle;
    uint64_t count;
};

enum worker_memory { WORKER_MEMORY_OWN, WORKER_MEMORY_READ, WORKER_MEMORY_WRITE };
struct setup {
    uint32_t version;
    uint32_t memory;      /* enum worker_memory */
    uint32_t serial;      /* of the worker, 21 bits: in its handles and references */
    uint32_t schedulers;
    int64_t time_offset_ns;
    uint64_t stack_bytes;
    uint32_t timeout_ms;  /* 0: none */
    uint32_t unused;
    uint64_t atom_root;   /* shared modes: where the atom table is */
};

/* Numbers a worker may make by itself: it has bits 62 and its serial in common with nobody. */
static inline uint64_t worker_first_ref_id(uint32_t serial)
{
    return UINT64_C(1) << 62 | (uint64_t) serial << 40;
}

#endif
