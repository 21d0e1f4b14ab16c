// Make a face speak with fetch: Node 20 or newer, and with File objects any browser.
// Usage: node fetch.mjs http://localhost:8080 face.png speech.wav OUTPUT.mp4
import { readFile, writeFile } from "node:fs/promises";

const [service, face, speech, output] = process.argv.slice(2);
const blob = async (path) => new Blob([await readFile(path)]);

const form = new FormData();
form.append("audio", await blob(speech), "speech.wav");
form.append("avatar", await blob(face), "face.png");
form.append("fps", "25");

const reply = await fetch(`${service}/v1/animation`, { method: "POST", body: form });
if (!reply.ok) {
  const problem = await reply.json();
  throw new Error(`${problem.code}: ${problem.detail}. ${problem.recovery[0]}`);
}
await writeFile(output, Buffer.from(await reply.arrayBuffer()));
