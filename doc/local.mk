# filled in as doc grows
