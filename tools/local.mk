# filled in as tools grows
