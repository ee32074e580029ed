"""The version. It is a constant because reading the package's metadata costs milliseconds."""

VERSION = "0.1.0"
