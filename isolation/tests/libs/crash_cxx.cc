// crash_cxx.cc - exceptions that nobody catches, and one that somebody does.
#include <cstdint>
#include <stdexcept>
#include <string>

static int destroyed;
struct Witness {
    ~Witness() { destroyed++; }
};
struct Base {
    virtual ~Base() {}
    int filler = 3;
};
struct Odd : Base, std::runtime_error {
    Odd() : std::runtime_error("second base") {}
};

#define FN(name) extern "C" uintptr_t name(uintptr_t a, uintptr_t, uintptr_t)
FN(throw_runtime_error) { Witness w; (void) a; throw std::runtime_error("it broke"); }
FN(throw_int) { Witness w; throw (int) a; }
FN(throw_odd) { (void) a; throw Odd(); }
FN(throw_string) { (void) a; throw std::string("a string"); }
FN(throw_noexcept) { (void) a; []() noexcept { throw 1; }(); return 0; }
FN(catch_own) { try { throw (int) a; } catch (int n) { return (uintptr_t) n + 1; } }
FN(n_destroyed) { (void) a; return (uintptr_t) destroyed; }
FN(rethrow) { (void) a; std::exception_ptr p = std::make_exception_ptr(std::logic_error("again")); std::rethrow_exception(p); }
