/* trampoline_x86_64.S - onto a native call's own stack and back.
 *
 *   VM's stack                          call's stack
 *   | return address |                  | frame         | <- found again whatever the callee did
 *   | rbp            | <- host_sp       | 0             |
 *                                       | return address into native_enter
 *
 * native_switch() of thread.h, the only caller, lets the compiler keep nothing in registers across the
 * call: so nothing but rbp need be saved here, and none of them be right afterwards. The unwinder
 * crosses by rbp; the personality routine (exception.c) takes every exception that gets as far as this frame.
 */
#define HOST_SP 0
/* Exception flags of MXCSR are sticky and harmless; what matters is masks, rounding, FTZ, DAZ. */
#define MXCSR_CONTROL 0xffc0

        .text
/* In: rax code, rdi rsi rdx its arguments, rcx where its stack ends, r8 the frame. Out: rax.
 * Once with, and once without a look at FP control afterwards, which costs more than all the rest. */
        .macro  enter name, looks_at_fp
        .globl  \name
        .hidden \name
        .type   \name, @function
        .balign 16
\name:
        .cfi_startproc
        .cfi_personality 0x9b, DW.ref.native_personality
        .cfi_lsda 0x1b, no_lsda
        pushq   %rbp
        .cfi_def_cfa_offset 16
        .cfi_offset %rbp, -16
        movq    %rsp, %rbp
        .cfi_def_cfa_register %rbp
        movq    %rsp, HOST_SP(%r8)
        movq    %rcx, %rsp
        pushq   %r8
        pushq   $0
        call    *%rax
        cld
        .if     \looks_at_fp
        stmxcsr -8(%rsp)
        fnstcw  -4(%rsp)
        movl    -8(%rsp), %ecx
        movzwl  -4(%rsp), %edx
        xorl    native_mxcsr(%rip), %ecx
        xorw    native_fpucw(%rip), %dx
        andl    $MXCSR_CONTROL, %ecx
        orl     %ecx, %edx
        jne     2f
1:
        .endif
        /* Back by rbp, which the callee has kept; what it should be is checked beside that. */
        movq    8(%rsp), %rdi
        cmpq    HOST_SP(%rdi), %rbp
        jne     3f
        movq    %rbp, %rsp
        popq    %rbp
        .cfi_remember_state
        .cfi_def_cfa %rsp, 8
        ret
        .cfi_restore_state
        .if     \looks_at_fp
2:      ldmxcsr native_mxcsr(%rip)
        fldcw   native_fpucw(%rip)
        jmp     1b
        .endif
3:      ud2     /* a fault of the callee's: it did not keep the registers it must keep */
        .cfi_endproc
        .size   \name, .-\name
        .endm

        enter   native_enter, 1
        enter   native_enter_fp_safe, 0
        .globl  native_enter_end
        .hidden native_enter_end
native_enter_end:

/* The abandon point: rsp is a frame's host_sp, every other register may hold anything. native_enter
 * returns; t->dirt tells how it came to that. */
        .globl  native_abandon
        .hidden native_abandon
        .type   native_abandon, @function
        .balign 16
native_abandon:
        .cfi_startproc
        .cfi_def_cfa %rsp, 16
        .cfi_offset %rbp, -16
        cld
        fninit
        ldmxcsr native_mxcsr(%rip)
        fldcw   native_fpucw(%rip)
        popq    %rbp
        .cfi_def_cfa %rsp, 8
        ret
        .cfi_endproc
        .size   native_abandon, .-native_abandon

/* _Noreturn void native_leave_saving(struct native_frame *f, greg_t *registers)
 * Saves what an unwinder needs, as if stopped right after the call of this function, and leaves.
 * Offsets are those of gregset_t. */
        .globl  native_leave_saving
        .hidden native_leave_saving
        .type   native_leave_saving, @function
        .balign 16
native_leave_saving:
        .cfi_startproc
        movq    %r12, 32(%rsi)
        movq    %r13, 40(%rsi)
        movq    %r14, 48(%rsi)
        movq    %r15, 56(%rsi)
        movq    %rbp, 80(%rsi)
        movq    %rbx, 88(%rsi)
        leaq    8(%rsp), %rax
        movq    %rax, 120(%rsi)
        movq    (%rsp), %rax
        movq    %rax, 128(%rsi)
        movq    HOST_SP(%rdi), %rsp
        jmp     native_abandon
        .cfi_endproc
        .size   native_leave_saving, .-native_leave_saving

/* What the ABI prescribes at program start, and the VM never changes: no need to save it. */
        .section .rodata
        .align  8
native_mxcsr:
        .long   0x1f80
native_fpucw:
        .short  0x37f
        .align  4
no_lsda:
        .long   0

        .hidden DW.ref.native_personality
        .weak   DW.ref.native_personality
        .section .data.rel.local.DW.ref.native_personality,"awG",@progbits,DW.ref.native_personality,comdat
        .align  8
        .type   DW.ref.native_personality, @object
        .size   DW.ref.native_personality, 8
DW.ref.native_personality:
        .quad   native_personality

        .section .note.GNU-stack,"",@progbits
