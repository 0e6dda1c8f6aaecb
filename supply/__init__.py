"""What Nightshift is built from: the hash file of the lock, licences, known vulnerabilities, the bill of materials.

Programs that build and check a release (`make hashes`, `make audit`, `make package`). No part of the wheel.
"""
