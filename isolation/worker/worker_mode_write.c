#include "isolation/worker/worker_state.h"
const struct worker_mode worker_mode_write = { 0 };
