/* etf_tags.h - the first byte of each term of the external format. Names as in its documentation. */
#ifndef VM_ETF_TAGS_H
#define VM_ETF_TAGS_H

enum etf_tag {
    ETF_VERSION = 131,
    ETF_NEW_FLOAT = 70,
    ETF_BIT_BINARY = 77,
    ETF_COMPRESSED = 80,
    ETF_NEW_PID = 88,
    ETF_NEW_PORT = 89,
    ETF_NEWER_REFERENCE = 90,
    ETF_SMALL_INTEGER = 97,
    ETF_INTEGER = 98,
    ETF_FLOAT = 99,
    ETF_ATOM = 100,
    ETF_REFERENCE = 101,
    ETF_PORT = 102,
    ETF_PID = 103,
    ETF_SMALL_TUPLE = 104,
    ETF_LARGE_TUPLE = 105,
    ETF_NIL = 106,
    ETF_STRING = 107,
    ETF_LIST = 108,
    ETF_BINARY = 109,
    ETF_SMALL_BIG = 110,
    ETF_LARGE_BIG = 111,
    ETF_NEW_FUN = 112,
    ETF_EXPORT = 113,
    ETF_NEW_REFERENCE = 114,
    ETF_SMALL_ATOM = 115,
    ETF_MAP = 116,
    ETF_ATOM_UTF8 = 118,
    ETF_SMALL_ATOM_UTF8 = 119,
    ETF_V4_PORT = 120,

    /* Ours, between the VM and its workers only: etf_ext.h. */
    ETF_EXT_BLOB = 200,     /* index:8, bytes:64 */
    ETF_EXT_RESOURCE = 201, /* handle:64 */
    ETF_EXT_ATOM = 202,     /* index:16, below ATOM_N_PREDEFINED */
};

enum { ETF_FLOAT_TEXT = 31 /* bytes of the text form of a float */ };

#endif
