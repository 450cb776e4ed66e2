"""The network and the settings that `demo` trains."""
