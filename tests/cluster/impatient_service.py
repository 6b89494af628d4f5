"""``plays-service`` that takes a broker for dead after 2 seconds without taking a call, not 20."""

from __future__ import annotations

from plays_service.cli import main
from plays_service.executors import celery_broker

if __name__ == "__main__":
    patience = celery_broker.SILENCE
    celery_broker.SILENCE = 2.0  # type: ignore[misc]  # before others take it from there
    from plays_service.executors import celery_answers

    # To delete a queue that is dead takes the broker 5 seconds.
    celery_answers.SILENCE = patience  # type: ignore[attr-defined]
    main()
