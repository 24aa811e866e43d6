// graphql-ws over ws: texts that begin with a token at once and go on, one every 20 ms, when `/go` is asked for.
// With UPSTREAM, a port, the texts are read from that server, which speaks OpenAI's API, and passed on.
import { Agent, createServer, request } from "node:http";
import { buildSchema } from "graphql";
import { useServer } from "graphql-ws/use/ws";
import { WebSocketServer } from "ws";

const TOKENS = 64;
const MILLISECONDS = 20;
const UPSTREAM = process.env.UPSTREAM && {
  host: "127.0.0.1",
  port: Number(process.env.UPSTREAM),
  path: "/v1/chat/completions",
  method: "POST",
  headers: { "content-type": "application/json" },
  agent: new Agent({ keepAlive: true }),
};
const schema = buildSchema(`
  interface TokenStreamEvent { sequence: Int! }
  type TokenEvent implements TokenStreamEvent { sequence: Int! text: String! }
  type StreamSnapshot implements TokenStreamEvent { sequence: Int! text: String! }
  type Query { texts: Int! }
  type Subscription { tokens(predictionId: ID!, after: Int! = 0): TokenStreamEvent! }
`);
const texts = new Map();

class Text {
  events = [];
  ended = false;
  constructor(id) {
    this.turn();
    if (UPSTREAM) this.relay(id);
    else this.step(" word0");
  }
  turn() {
    this.news = new Promise((tell) => (this.tell = tell));
  }
  step(text, ended = false) {
    const sequence = this.events.length + 1;
    if (text) this.events.push({ tokens: { __typename: "TokenEvent", sequence, text } });
    this.ended = ended;
    const tell = this.tell;
    this.turn();
    tell();
  }
  // What has come at once is one event; `node:http` is cheaper than `fetch`, whose streams are the Web's.
  relay(id) {
    const asked = request(UPSTREAM, (response) => {
      let rest = "";
      response.setEncoding("utf8");
      response.on("data", (data) => {
        const events = (rest + data).split("\n\n");
        rest = events.pop();
        let text = "";
        for (const event of events) {
          if (!event.startsWith("data: {")) continue;
          text += JSON.parse(event.slice(6)).choices[0]?.delta.content ?? "";
        }
        if (text) this.step(text);
      });
      response.on("end", () => {
        texts.delete(id);
        this.step("", true);
      });
    });
    const messages = [{ role: "user", content: id }];
    asked.end(JSON.stringify({ model: "fast", stream: true, stream_options: { include_usage: true }, messages }));
  }
  async *follow() {
    for (let number = 0; ; number += 1) {
      while (number >= this.events.length && !this.ended) await this.news;
      if (number >= this.events.length) return;
      yield this.events[number];
    }
  }
}

const textOf = (id) => {
  if (!texts.has(id)) texts.set(id, new Text(id));
  return texts.get(id);
};

const go = () => {
  const waiting = [...texts.values()];
  texts.clear();
  let number = 1;
  const timer = setInterval(() => {
    for (const text of waiting) text.step(` word${number}`, number === TOKENS - 1);
    number += 1;
    if (number === TOKENS) clearInterval(timer);
  }, MILLISECONDS);
};

const server = createServer((request, response) => {
  if (request.url === "/go") go();
  response.end("{}");
});
const roots = { subscription: { tokens: ({ predictionId }) => textOf(predictionId).follow() } };
useServer({ schema, roots }, new WebSocketServer({ server, path: "/graphql" }));
server.listen({ host: "127.0.0.1", port: Number(process.env.PORT), backlog: 4096 });
