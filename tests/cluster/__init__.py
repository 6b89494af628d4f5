"""Celery workers and a real RabbitMQ."""
