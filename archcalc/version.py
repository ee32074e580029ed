"""The version. A constant, as reading it from the package's metadata costs milliseconds."""

VERSION = "0.1.0"
