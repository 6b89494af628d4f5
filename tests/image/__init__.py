"""The image as users get it: ``make image-test``, where there is a Docker engine."""
