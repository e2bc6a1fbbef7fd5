// Raw frames, for what the guide's client hides: every frame that arrives, and how the socket was closed.

import WebSocket from 'ws';

export class Frames {
  /** Opens a socket; `arrived` holds the frames in order, `closed` resolves to the close code. */
  static async open(gateway, token = null) {
    const frames = new Frames();
    frames.arrived = [];
    frames.waiting = new Set();
    frames.socket = new WebSocket(token ? `${gateway.url}?token=${token}` : gateway.url);
    frames.closed = new Promise((resolve) => frames.socket.on('close', resolve));
    frames.socket.on('message', (data) => {
      frames.arrived.push(JSON.parse(data));
      for (const look of frames.waiting) look();
    });
    await new Promise((resolve, reject) => {
      frames.socket.on('open', resolve);
      frames.socket.on('error', reject);
    });
    return frames;
  }

  send(frame) {
    this.socket.send(JSON.stringify(frame));
  }

  /** The first frame, past or future, of which `wanted` is true. */
  first(wanted) {
    return new Promise((resolve) => {
      const look = () => {
        const found = this.arrived.find(wanted);
        if (found) {
          this.waiting.delete(look);
          resolve(found);
        }
      };
      this.waiting.add(look);
      look();
    });
  }

  /** Sends a request and waits for the frame that carries its id. */
  async ask(frame) {
    this.send(frame);
    return this.first((reply) => reply.id === frame.id);
  }

  close() {
    this.socket.close();
  }
}
