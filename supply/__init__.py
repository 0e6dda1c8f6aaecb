"""What Nightshift is built from: the hash file of the lock, licences, known vulnerabilities, the bill of materials.

Programs for whoever builds and checks a release (`make hashes`, `make audit`, `make package`). No part of the wheel.
"""
