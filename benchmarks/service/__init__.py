"""The whole service beside the prototype's stack, by the same client on the same machine."""
