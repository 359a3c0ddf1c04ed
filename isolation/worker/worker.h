/* worker.h - the worker program: zygote_main.c forks, worker_main.c serves.
 *
 * bulkhead-worker links lib/base, vm/core, nif and isolation: the same API code and the same crash
 * handling as the VM, on its own memory.
 */
#ifndef ISOLATION_WORKER_H
#define ISOLATION_WORKER_H

/* The life of a worker, from fork to exit. socket: to the VM. */
_Noreturn void worker_main(int socket);

#endif
