"""Celery workers: what they cost beside processes of one's own, and how they scale."""
