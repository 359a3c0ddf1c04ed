# filled in as bench grows
