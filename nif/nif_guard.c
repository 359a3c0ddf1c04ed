#include "nif/nif_guard.h"

_Thread_local struct nif_guard nif_guard __attribute__((tls_model("local-exec")));
