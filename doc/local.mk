dist_man_MANS += doc/bulkhead.1
# As in the tree, so that README's links hold.
dist_doc_DATA = README.md
pagesdir = $(docdir)/doc
dist_pages_DATA = doc/architecture.md doc/isolation.md doc/nif-guide.md doc/limits.md
