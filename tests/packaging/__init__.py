"""What is published, installed in clean environments: ``make dist-test``."""
