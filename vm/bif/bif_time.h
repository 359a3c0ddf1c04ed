/* bif_time.h - Erlang's clocks, for others than the BIFs: the NIF API reads the same ones. */
#ifndef BIF_TIME_H
#define BIF_TIME_H

#include "lib/base/base.h"

/* Erlang system time minus Erlang monotonic time: fixed for the life of the VM. */
int64_t time_offset_ns(void);
/* Microseconds for erlang:now/0: each call gives a later time than the one before. Any thread. */
int64_t time_now_us(void);

#endif
