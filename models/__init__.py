"""The built-in architectures, one paper a file. Third parties add theirs through the entry-point
group ``archcalc.models``, as this package does."""
