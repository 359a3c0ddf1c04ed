/* exception.c - C++ exceptions, Rust panics and forced unwinds that reach the trampoline.
 *
 * native_enter() names native_personality() as its personality routine. In the search phase it says
 * that it will handle whatever comes, and notes the stack trace, which is still whole. The unwinder
 * then runs the destructors of every frame in between; when it arrives at the trampoline the call is
 * left like any other. No C++ runtime is linked: what can be learned of an exception is read from
 * the layout that the Itanium C++ ABI fixes, with the library's own runtime doing the casts.
 *
 * All of this runs on the native call's stack, as part of the call: a fault in it ends the call.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unwind.h>

#include "isolation/thread.h"

_Unwind_Reason_Code native_personality(int version, _Unwind_Action actions, _Unwind_Exception_Class class,
    struct _Unwind_Exception *exception, struct _Unwind_Context *context);

/* A type_info of the C++ ABI: vtable, then the name. */
struct type_info_head {
    void **vtable;
    const char *name;
};

static void copy_text(char *to, size_t room, const char *from)
{
    size_t n = strnlen(from, room - 1);
    memcpy(to, from, n);
    to[n] = '\0';
}

static void *cxx_symbol(const char *name)
{
    /* A library's C++ runtime is in nobody's global scope, but it is loaded. */
    void *runtime = dlopen("libstdc++.so.6", RTLD_LAZY | RTLD_NOLOAD);
    void *symbol = runtime != NULL ? dlsym(runtime, name) : NULL;
    if (runtime != NULL) {
        dlclose(runtime);
    }
    return symbol;
}

static void describe_cxx(struct native_thread *t, struct _Unwind_Exception *exception, bool is_dependent)
{
    enum { HEADER_BEFORE_UNWIND = 80, HEADER_BYTES = 112, SLOT_DO_CATCH = 4, SLOT_WHAT = 2 };
    char *base = (char *) exception - HEADER_BEFORE_UNWIND;
    void *object = (char *) exception + sizeof(*exception);
    if (is_dependent) { /* rethrown by std::rethrow_exception: a reference to the real one */
        object = *(void **) base;
        base = (char *) object - HEADER_BYTES;
    }
    const struct type_info_head *type = *(const struct type_info_head *const *) base;
    const char *name = type->name + (type->name[0] == '*' ? 1 : 0);
    char *(*demangle)(const char *, char *, size_t *, int *);
    void *found = cxx_symbol("__cxa_demangle");
    memcpy(&demangle, &found, sizeof(demangle));
    char *plain = demangle != NULL ? demangle(name, NULL, NULL, NULL) : NULL;
    copy_text(t->text, sizeof(t->text), plain != NULL ? plain : name);
    free(plain);
    t->detail[0] = '\0';
    const struct type_info_head *std_exception = cxx_symbol("_ZTISt9exception");
    if (std_exception != NULL) {
        bool (*do_catch)(const void *self, const void *thrown, void **at, unsigned outer);
        void *adjusted = object;
        memcpy(&do_catch, &std_exception->vtable[SLOT_DO_CATCH], sizeof(do_catch));
        if (do_catch(std_exception, type, &adjusted, 1)) {
            const char *(*what)(void *self);
            memcpy(&what, &(*(void ***) adjusted)[SLOT_WHAT], sizeof(what));
            copy_text(t->detail, sizeof(t->detail), what(adjusted));
            return;
        }
    }
    if (strcmp(name, "PKc") == 0 || strcmp(name, "Pc") == 0) {
        copy_text(t->detail, sizeof(t->detail), *(const char **) object);
    } else if (strcmp(name, "i") == 0) {
        snprintf(t->detail, sizeof(t->detail), "%d", *(const int *) object);
    } else if (strncmp(name, "NSt7__cxx1112basic_stringIcSt11char_traits", 42) == 0) {
        copy_text(t->detail, sizeof(t->detail), *(const char **) object); /* data pointer comes first */
    }
}

static void dispose_cxx(struct _Unwind_Exception *exception)
{
    void *(*begin_catch)(void *);
    void (*end_catch)(void);
    void *found_begin = cxx_symbol("__cxa_begin_catch");
    void *found_end = cxx_symbol("__cxa_end_catch");
    if (found_begin != NULL && found_end != NULL) {
        memcpy(&begin_catch, &found_begin, sizeof(begin_catch));
        memcpy(&end_catch, &found_end, sizeof(end_catch));
        begin_catch(exception);
        end_catch();
    }
}

static void describe_rust(struct native_thread *t, struct _Unwind_Exception *exception)
{
    enum { SIZE_OF_STR = 16, SIZE_OF_STRING = 24 };
    /* canary, then Box<dyn Any>: data and vtable (drop, size, align) */
    uintptr_t *words = (uintptr_t *) (exception + 1);
    const uintptr_t *data = (const uintptr_t *) words[1];
    const uintptr_t *vtable = (const uintptr_t *) words[2];
    const char *text = NULL;
    size_t n = 0;
    if (vtable[1] == SIZE_OF_STR) {
        text = (const char *) data[0];
        n = data[1];
    } else if (vtable[1] == SIZE_OF_STRING) {
        text = (const char *) data[1];
        n = data[2];
    }
    n = n < sizeof(t->text) ? n : sizeof(t->text) - 1;
    if (text != NULL) {
        memcpy(t->text, text, n);
    }
    t->text[n] = '\0';
}

static bool is_rust(_Unwind_Exception_Class class)
{
    return memcmp(&class, "MOZ\0RUST", sizeof(class)) == 0;
}
static bool is_cxx(_Unwind_Exception_Class class)
{
    return (class >> 8 & 0xffffff) == 0x432b2b; /* vendor, then "C++\0" or "C++\1" */
}

static void take_trace(struct native_thread *t)
{
    ucontext_t here;
    const struct native_stack *s = native_top(t)->stack;
    if (getcontext(&here) == 0) {
        unwind_walk(&t->trace, &here, (uintptr_t) s->low, (uintptr_t) s->high, false);
        t->has_trace = true;
    }
}

_Unwind_Reason_Code native_personality(int version, _Unwind_Action actions, _Unwind_Exception_Class class,
    struct _Unwind_Exception *exception, struct _Unwind_Context *context)
{
    struct native_thread *t = native_self;
    (void) version, (void) context;
    if ((actions & _UA_FORCE_UNWIND) != 0) {
        if (t->library_thread) {
            native_set_depth(0); /* its frame goes with it */
            return _URC_CONTINUE_UNWIND; /* its own thread may end as it likes */
        }
        native_leave_as(t, (struct native_outcome) { .status = NATIVE_PANICKED }, PANIC_THREAD_EXIT);
    }
    if ((actions & _UA_SEARCH_PHASE) != 0) {
        take_trace(t);
        return _URC_HANDLER_FOUND;
    }
    if ((actions & _UA_HANDLER_FRAME) == 0) {
        return _URC_CONTINUE_UNWIND;
    }
    t->text[0] = t->detail[0] = '\0';
    enum native_panic panic = PANIC_FOREIGN;
    if (is_cxx(class)) {
        panic = PANIC_CXX_EXCEPTION;
        describe_cxx(t, exception, (class & 1) != 0);
        dispose_cxx(exception);
    } else if (is_rust(class)) {
        panic = PANIC_RUST;
        describe_rust(t, exception); /* not freed: Rust aborts when others do that */
    } else {
        memcpy(t->text, &class, sizeof(class));
        t->text[sizeof(class)] = '\0';
    }
    t->left = (struct native_outcome) { .status = NATIVE_PANICKED };
    t->panic = panic;
    t->info.si_signo = 0;
    native_leave(t);
}
