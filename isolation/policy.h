/* policy.h - how each library is run: parsed and checked here, whatever it was written as.
 *
 *   sources, strongest first                         origin
 *   isolation:set(Module, Options)                   set
 *   --isolation MODULE=MODE[,key=value...]           command_line
 *   -isolation(#{...}) in the module                 attribute
 *   isolation:set(default, Options)                  default_set
 *   --isolation MODE[,key=value...]                  default_command_line
 *   built in                                         built_in
 *
 * A value is taken from the strongest source that names its key.
 */
#ifndef ISOLATION_POLICY_H
#define ISOLATION_POLICY_H

#include "isolation/policy_value.h"

enum policy_origin {
    ORIGIN_BUILT_IN,
    ORIGIN_DEFAULT_COMMAND_LINE,
    ORIGIN_DEFAULT_SET,
    ORIGIN_ATTRIBUTE,
    ORIGIN_COMMAND_LINE,
    ORIGIN_SET,
    ORIGIN_COUNT,
};

struct policy {
    uint64_t value[POLICY_KEYS];
    uint8_t origin[POLICY_KEYS];
};

/* The policy in force for a module. Any thread. */
void policy_effective(term module, struct policy *out);

/* From a map or a mode's atom. module: atom; `default` for all that have none of their own. false:
 * nothing changed, *out_culprit is the option that is wrong. */
bool policy_set_term(term module, enum policy_origin origin, term options, term *out_culprit) MUST_CHECK;
/* From -isolation(...) attributes, each option by itself. First begin: true if the attributes are others than those that
 * the module came with before, as their hash tells; what those said is forgotten. Then take, for each attribute: bad is
 * called with each option that is none, or with key TERM_NONE if options are neither a map nor an atom. */
bool policy_attributes_begin(term module, uint32_t hash) MUST_CHECK;
void policy_attributes_take(term module, term options, void (*bad)(term module, term key, term value));
/* Calls fn for each module that --isolation names. */
void policy_each_on_command_line(void (*fn)(term module, void *arg), void *arg);
/* From --isolation SPEC. false: nothing changed, message in error. */
bool policy_set_text(const char *spec, char *error, size_t room) MUST_CHECK;

const char *policy_origin_name(enum policy_origin origin);

#endif
