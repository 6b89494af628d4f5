"""``python -m plays_service``: the same as the command ``plays-service``."""

from plays_service.cli import main

if __name__ == "__main__":
    main()
