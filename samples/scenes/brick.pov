// Brick: an old wall in low sun, ivy climbing, the shadow of a branch across it. One unit is 10 cm.
#version 3.7;
global_settings { assumed_gamma 1.0 max_trace_level 3 }
#default { finish { ambient 0 diffuse .8 } }
#declare R = seed(12);
camera { location <-3.5, 6.2, -19> look_at <.2, 5.4, 0> right x*1.5 up y angle 38 }

light_source { <-46, 38, -34> srgb <1, .89, .74>*2.2 area_light <1.7, 0, -1.5>, <0, 2.3, 0>, 5, 5 adaptive 2 jitter circular }
light_source { <20, 30, -60> srgb <.55, .68, .95>*.42 shadowless }
light_source { <-10, -30, -40> srgb <.8, .62, .45>*.10 shadowless }

#declare Noise = function { pattern { bozo } }
#declare Grit = function { pattern { granite } }

// Five worn bricks: rounded boxes eaten by noise, as meshes of the front face.
#declare Kinds = 9;
#declare Worn = array[Kinds]
#declare NX = 46; #declare NY = 18;
#for (K, 0, Kinds - 1)
  #ifdef (Front) #undef Front #end
  #declare Front = function(x, y) {   // relief of the face, edges rounded and chipped
    -.16*pow(max(0, 1 - min(min(x + 1.06, 1.06 - x)*7, min(y + .33, .33 - y)*7)*(.75 + .8*Noise(x*4 + K*7, y*4, K))), 2)
    - .055*Noise(x*5 + K*3, y*5, K*5) - .03*Noise(x*17, y*17 + K, 3*K) - .035*pow(Grit(x*.7 + K, y*.7, K), 2)
    - .22*max(0, Noise(x*1.5 + K*11, y*1.9, K*2) - .70)*(K > 3) }
  #declare Px = array[NX + 1][NY + 1]
  #declare Nx = array[NX + 1][NY + 1]
  #for (I, 0, NX) #for (J, 0, NY)
    #declare X = -1.06 + 2.12*I/NX; #declare Y = -.33 + .66*J/NY;
    #declare Px[I][J] = <X, Y, -Front(X, Y)>;
    #declare Nx[I][J] = vnormalize(<-(Front(X + .01, Y) - Front(X - .01, Y))/.02, -(Front(X, Y + .01) - Front(X, Y - .01))/.02, -1>);
  #end #end
  #declare Worn[K] = mesh {
    #for (I, 0, NX - 1) #for (J, 0, NY - 1)
      smooth_triangle { Px[I][J], Nx[I][J], Px[I + 1][J], Nx[I + 1][J], Px[I][J + 1], Nx[I][J + 1] }
      smooth_triangle { Px[I + 1][J + 1], Nx[I + 1][J + 1], Px[I + 1][J], Nx[I + 1][J], Px[I][J + 1], Nx[I][J + 1] }
    #end #end
    #for (I, 0, NX - 1) #for (J, 0, 1)
      #declare B = <0, 0, .5>;
      triangle { Px[I][J*NY], Px[I + 1][J*NY], Px[I][J*NY] + B } triangle { Px[I + 1][J*NY] + B, Px[I + 1][J*NY], Px[I][J*NY] + B }
    #end #end
    #for (I, 0, NY - 1) #for (J, 0, 1)
      triangle { Px[J*NX][I], Px[J*NX][I + 1], Px[J*NX][I] + B } triangle { Px[J*NX][I + 1] + B, Px[J*NX][I + 1], Px[J*NX][I] + B }
    #end #end
  }
#end

#macro Clay(Base)
  texture {
    pigment { granite turbulence .4 color_map { [0 Base*.62] [.35 Base] [.6 Base*1.10] [.85 Base*1.25 + .04] [1 Base*.5] } scale 1.3 translate 50*rand(R) }
    normal { granite .45 scale .22 translate 9*rand(R) } }
  texture {
    pigment { bozo turbulence .9 octaves 6 color_map { [.50 srgbt <.8, .74, .66, 1>] [.72 srgbt <.80, .74, .66, .80>] [.9 srgbt <.86, .82, .76, .45>] } scale 1.1 translate 50*rand(R) }
    normal { granite .45 scale .22 } }
  texture {
    pigment { spotted turbulence .2 color_map { [.22 srgbt <.07, .05, .05, .3>] [.30 srgbt <.1, .07, .06, 1>] } scale .06 translate 50*rand(R) } }
#end
#declare Tones = array[7] { srgb <.60, .28, .18>, srgb <.66, .33, .21>, srgb <.52, .22, .15>, srgb <.70, .40, .26>, srgb <.45, .20, .16>, srgb <.62, .36, .27>, srgb <.36, .20, .19> }
#for (Row, -3, 17)
  #for (Col, -8, 8)
    object { Worn[int(rand(R)*Kinds*.9999)]
      #if (rand(R) < .5) rotate z*180 #end
      Clay(Tones[int(pow(rand(R), 1.25)*6.999)]*(.8 + .35*rand(R)))
      rotate <rand(R)*2 - 1, rand(R)*2 - 1, rand(R)*1.4 - .7>
      translate <Col*2.26 + mod(Row + 20, 2)*1.13 + .05*rand(R), Row*.79 + .03*rand(R), .07*rand(R)> }
  #end
#end

// Mortar, recessed and sandy.
height_field { function 900, 700 { .5 + .25*Noise(x*34, y*26, 1) + .2*Noise(x*120, y*95, 2) + .1*Grit(x*6, y*5, 3) } smooth
  translate <-.5, 0, -.5> rotate x*-90 scale <40, 31, .16> translate <0, 6, .30>
  pigment { granite color_map { [0 srgb <.58, .54, .47>] [.5 srgb <.68, .64, .56>] [1 srgb <.44, .41, .36>] } scale .9 }
  normal { granite .7 scale .08 } }

// Ivy: leaves as small folded meshes on two wandering stems.
#declare Outline = array[11] { <0, 0>, <.34, -.14>, <.62, .06>, <.46, .28>, <.60, .62>, <.28, .62>, <0, 1.12>, <-.28, .62>, <-.60, .62>, <-.46, .28>, <-.62, .06> }
#declare Leaf = mesh {
  #for (I, 0, 10)
    #declare A = Outline[I]; #declare B = Outline[mod(I + 1, 11)];
    #declare M = <0, .36, -.05>;
    #declare AA = <A.u, A.v, .16*abs(A.u) + .10*A.v*A.v>; #declare BB = <B.u, B.v, .16*abs(B.u) + .10*B.v*B.v>;
    smooth_triangle { M, -z, AA, vnormalize(<-.55*A.u, -.25*A.v, -1>), BB, vnormalize(<-.55*B.u, -.25*B.v, -1>) }
  #end }
#macro Foliage(Green)
  texture {
    pigment { radial frequency 5 turbulence .12 rotate x*90 translate y*.02 color_map { [0 Green*1.5] [.10 Green] [.5 Green*.72] [.90 Green] [1 Green*1.5] } }
    normal { bumps .25 scale .12 }
    finish { diffuse .7, .25 specular .06 roughness .06 } }
#end
#macro Stem(X, Y, Angle, Steps, Grow)
  #local P = <X, Y, -.16>;
  #local A = Angle;
  #for (I, 0, Steps)
    #local A = A + (rand(R) - .5)*34 + (Angle - A)*.1;
    #local Q = P + .34*<cos(radians(A)), sin(radians(A)), (rand(R) - .5)*.08>;
    cylinder { P, Q, .045 - .02*I/Steps pigment { srgb <.30, .22, .14> } }
    sphere { Q, .043 - .02*I/Steps pigment { srgb <.30, .22, .14> } }
    #for (K, 0, 1 + (rand(R) < .7))
      #local S = (.42 + .50*rand(R))*(1 - .5*I/Steps)*Grow;
      object { Leaf Foliage(srgb <.075 + .06*rand(R), .20 + .10*rand(R), .045>*1.2) scale S
        rotate x*(-8 - 46*rand(R)) rotate y*(rand(R)*50 - 25) rotate z*(A - 90 + (K*2 - 1)*(55 + 50*rand(R)))
        translate Q + <0, 0, -.10 - .30*rand(R)> }
    #end
    #if (mod(I, 7) = 5 & Grow > .75) Stem(Q.x, Q.y, A + select(rand(R) - .5, -48, 48), int(Steps*.42), Grow*.74) #end
    #local P = Q;
  #end
#end
Stem(6.6, -1.4, 100, 34, 1)
Stem(8.6, -1, 112, 36, 1)
Stem(4.4, -1.2, 60, 18, .9)
Stem(7.6, 12.5, 232, 16, .9)

// Unseen: a branch whose leaves shade the upper left.
#declare Shade = seed(9);
#for (I, 0, 150)
  #declare T = rand(Shade);
  #declare U = pow(rand(Shade), 1.4);
  object { Leaf scale .5 + .5*rand(Shade) rotate 360*<rand(Shade), rand(Shade), rand(Shade)>
    pigment { srgb <.1, .2, .05> } no_image
    translate <-19 + 10*T + 1.5*U, 15.0 + 5*(T - .5) - 6.5*U*T, -10.5 + 2.5*rand(Shade)> }
#end
