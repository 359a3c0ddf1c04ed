# filled in as erts_tests grows
