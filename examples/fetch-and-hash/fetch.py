"""Fetches one address of an HTTP API and hashes what it answers. Python 3, standard library only.

Input:   {"path": "/repos/git/git"}, or {"url": "https://example.com/"}; a path is taken below $API_URL
Result:  {"url": …, "status": 200, "contentType": …, "bytes": 1234, "sha256": …}

What may pass (no connection, 429, 5xx) ends with exit code 75: Shoal tries the task again later, as the job's retry
policy says. Anything else that is wrong ends with 1, for good.
"""
import hashlib
import json
import os
import sys
import urllib.error
import urllib.request

TRY_AGAIN = 75
TIMEOUT_SECONDS = 20


def stop(code, message):
    print(message, file=sys.stderr)
    sys.exit(code)


def address(task):
    if "url" in task:
        url = task["url"]
    elif "path" in task:
        url = os.environ.get("API_URL", "").rstrip("/") + task["path"]
    else:
        stop(1, 'the input needs a "path" or a "url"')
    if not url.startswith(("http://", "https://")):
        stop(1, f"not an HTTP address: {url}")
    return url


def fetch(url):
    request = urllib.request.Request(url, headers={"User-Agent": "fetch-and-hash", "Accept": "*/*"})
    digest, size = hashlib.sha256(), 0
    with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:
        # In pieces: an answer may be larger than the memory.
        while piece := answer.read(65536):
            digest.update(piece)
            size += len(piece)
        return {
            "url": url,
            "status": answer.status,
            "contentType": answer.headers.get_content_type(),
            "bytes": size,
            "sha256": digest.hexdigest(),
        }


def main():
    url = address(json.load(sys.stdin))
    try:
        print(json.dumps(fetch(url)))
    except urllib.error.HTTPError as error:
        passes = error.code == 429 or error.code >= 500
        stop(TRY_AGAIN if passes else 1, f"{url} answers {error.code} {error.reason}")
    except OSError as error:  # no connection, no name, a timeout
        stop(TRY_AGAIN, f"{url} cannot be reached: {error}")


main()
