"""One file per section: records in, what is shown of them out."""
