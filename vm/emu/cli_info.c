/* cli_info.c - `bulkhead info`: what this build is and can do. */
#include <stdio.h>
#include <string.h>

#include "isolation/executor.h"
#include "isolation/policy_value.h"
#include "nif/nif_api.h"
#include "vm/bif/bif.h"
#include "vm/code/module.h"
#include "vm/code/opcode.h"
#include "vm/emu/boot.h"
#include "vm/emu/cli.h"

static void print_modes(void)
{
    printf("Isolation modes (default: %s)\n", executor_default()->name);
    for (size_t i = 0; i < executor_count; i++) {
        printf("  %-12s %s\n", executor_table[i]->name, executor_table[i]->summary);
    }
}

static void print_options(void)
{
    printf("Isolation options, and what they are by default (--isolation [MODULE=]MODE[,key=value...])\n");
    for (int k = 0; k < POLICY_KEYS; k++) {
        char value[40];
        enum policy_key key = (enum policy_key) k;
        if (key != POLICY_MODE) {
            policy_value_text(key, policy_value_built_in(key), value, sizeof(value));
            printf("  %-12s %-9s %s\n", policy_key_name(key), value, policy_key_help(key));
        }
    }
}

static void print_opcodes(bool all)
{
    size_t supported = 0;
    for (size_t op = 1; op <= OPCODE_MAX; op++) {
        supported += opcode_table[op].operands != NULL;
    }
    printf("Opcodes: %zu generic instructions supported, numbers up to %d (OTP 22 to 27)\n", supported,
        (int) OPCODE_MAX);
    for (size_t op = 1; all && op <= OPCODE_MAX; op++) {
        const struct opcode_info *info = &opcode_table[op];
        if (info->name != NULL) {
            printf("  %3zu %-24s %s\n", op, info->name, info->operands != NULL ? info->doc : "(retired)");
        }
    }
}

static void print_nif_functions(bool all)
{
    size_t missing = 0;
    for (size_t i = 0; i < nif_api_count; i++) {
        missing += nif_api[i].state == NIF_STATE_MISSING;
    }
    printf("NIF functions: %zu exported, ", nif_api_count);
    if (missing == 0) {
        printf("all of them implemented\n");
    } else {
        printf("%zu of them not implemented\n", missing);
    }
    for (size_t i = 0; i < nif_api_count; i++) {
        if (all || nif_api[i].state == NIF_STATE_MISSING) {
            printf("  %-32s since %s%s\n", nif_api[i].name, nif_api[i].since,
                nif_api[i].state == NIF_STATE_MISSING ? "; missing: ends the call with {missing_api, Name}" : "");
        }
    }
}

int cli_info(int argc, char **argv)
{
    bool all = false;
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            printf("Usage: bulkhead info [--all]\n\n"
                   "Version, isolation modes and options, numbers of opcodes, of functions in C and of NIF functions;\n"
                   "--all lists each of these.\n");
            return CLI_OK;
        }
        if (strcmp(argv[i], "--all") != 0) {
            return cli_error("unknown argument '%s'; try 'bulkhead info --help'", argv[i]);
        }
        all = true;
    }
    boot_tables();
    printf("Bulkhead %s\n", PACKAGE_VERSION);
    printf("OTP libraries: %s\n\n", code_otp_root() != NULL ? code_otp_root() : "not found (set BULKHEAD_OTP_ROOT)");
    print_modes();
    printf("\n");
    print_options();
    printf("\n");
    print_opcodes(all);
    printf("\nFunctions in C: %zu\n", bif_count);
    for (size_t i = 0; all && i < bif_count; i++) {
        printf("  %s:%s/%u\n", bif_table[i].module_text, bif_table[i].function_text, bif_table[i].arity);
    }
    printf("\n");
    print_nif_functions(all);
    return CLI_OK;
}
