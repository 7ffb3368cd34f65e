#!/usr/bin/env python3
"""A mail server for the tests, made of the public package `aiosmtpd`, on loopback only.

    post.py PORT [CERTIFICATE KEY]     PORT 0: any free one; prints `ready PORT`, then each letter as a line of JSON

With a certificate it takes letters after `STARTTLS` only.

It ends when its input does. What an address begins with says how it is treated: `refused` is refused for
good, `busy` for now, `slow` is taken after two seconds; everything else is taken at once.
"""
import asyncio
import email
import email.policy
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP


class Post:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("refused"):
            return f"550 5.1.1 <{address}>: there is nobody of this name"
        if address.startswith("busy"):
            return f"451 4.3.0 <{address}>: not now"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        if any(address.startswith("slow") for address in envelope.rcpt_tos):
            await asyncio.sleep(2)
        letter = email.message_from_bytes(envelope.content, policy=email.policy.default)
        shown = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "headers": [[name, str(value)] for name, value in letter.items()],
            "text": letter.get_content(),
        }
        print(json.dumps(shown), flush=True)
        return "250 taken"


async def main():
    loop = asyncio.get_running_loop()
    tls = None
    if len(sys.argv) > 2:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(sys.argv[2], sys.argv[3])
    smtp = lambda: SMTP(Post(), hostname="post", tls_context=tls, require_starttls=tls is not None)
    server = await loop.create_server(smtp, "127.0.0.1", int(sys.argv[1]))
    print("ready", server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


asyncio.run(main())
