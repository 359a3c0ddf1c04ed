//! A NIF library in Rust without any crate: go(N) panics in the Nth way, and returns N when there is none such.
#![allow(clippy::missing_safety_doc)]
use std::os::raw::{c_char, c_int, c_uint, c_void};
use std::ptr::null;

type Term = usize;
type Env = *mut c_void;

#[repr(C)]
pub struct Function {
    name: *const c_char,
    arity: c_uint,
    function: extern "C-unwind" fn(Env, c_int, *const Term) -> Term,
    flags: c_uint,
}

/// ErlNifEntry of erl_nif.h, version 2.16.
#[repr(C)]
pub struct Entry {
    major: c_int,
    minor: c_int,
    name: *const c_char,
    n_functions: c_int,
    functions: *const Function,
    callbacks: [*const c_void; 4],
    vm: *const c_char,
    options: c_uint,
    size_of_resource_type_init: usize,
    min_erts: *const c_char,
}
unsafe impl Sync for Function {}
unsafe impl Sync for Entry {}

extern "C" {
    fn enif_make_int(env: Env, i: c_int) -> Term;
    fn enif_get_int(env: Env, term: Term, i: *mut c_int) -> c_int;
}

/// Keeps the compiler from knowing.
fn unknown<T>(x: T) -> T {
    std::hint::black_box(x)
}

/// Its drop must have run when the panic left the frame.
struct Counts;
static DROPPED: std::sync::atomic::AtomicI32 = std::sync::atomic::AtomicI32::new(0);
impl Drop for Counts {
    fn drop(&mut self) {
        DROPPED.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    }
}

extern "C-unwind" fn go(env: Env, _argc: c_int, argv: *const Term) -> Term {
    let mut n = 0;
    unsafe { enif_get_int(env, *argv, &mut n) };
    let _counts = Counts;
    let answer = match n {
        0 => panic!("a literal"),
        1 => panic!("formatted {}", unknown(n) + 41),
        2 => vec![1][unknown(7)],
        3 => unknown(None::<i32>).unwrap(),
        4 => unknown(Err::<i32, &str>("bad")).unwrap(),
        5 => i32::from_str_radix(unknown("x"), 10).expect("a number"),
        6 => std::panic::panic_any(unknown(5i32)),
        7 => aborts(),
        8 => DROPPED.load(std::sync::atomic::Ordering::SeqCst),
        _ => n,
    };
    unsafe { enif_make_int(env, answer) }
}

/// Rust ends a program whose panic would leave a function of this ABI.
extern "C" fn aborts() -> c_int {
    panic!("not to be caught")
}

static FUNCTIONS: [Function; 1] =
    [Function { name: b"go\0".as_ptr() as *const c_char, arity: 1, function: go, flags: 0 }];
static ENTRY: Entry = Entry {
    major: 2,
    minor: 16,
    name: b"rust_tests\0".as_ptr() as *const c_char,
    n_functions: 1,
    functions: FUNCTIONS.as_ptr(),
    callbacks: [null(); 4],
    vm: b"beam.vanilla\0".as_ptr() as *const c_char,
    options: 1,
    size_of_resource_type_init: 4 * std::mem::size_of::<usize>(),
    min_erts: b"erts-12.0\0".as_ptr() as *const c_char,
};

#[no_mangle]
pub extern "C" fn nif_init() -> *const Entry {
    &ENTRY
}
