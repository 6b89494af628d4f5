"""The first version of the idea: uvicorn and FastAPI, Celery and RabbitMQ, Dask."""
