dist_man_MANS += doc/bulkhead.1
dist_doc_DATA = README.md doc/architecture.md doc/isolation.md doc/nif-guide.md doc/limits.md
