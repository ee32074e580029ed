"""Files of other tools, read as a Graph without torch."""
