# filled in as examples grows
