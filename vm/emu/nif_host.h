/* nif_host.h - the VM's side of the NIF API (nif/host.h), and erlang:load_nif/2. */
#ifndef EMU_NIF_HOST_H
#define EMU_NIF_HOST_H

/* Once, before the schedulers start. */
void nif_host_init(void);

#endif
